"""Forecasters without gradients: naive, seasonal naive, drift, Naive2, and the linear map in closed form."""
