"""Truths beside forecasts: outcomes, metrics, intervals, and whether a difference is more than chance."""
