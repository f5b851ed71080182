"""Forecasts from rolling origins over the end of a panel, and their scores."""
