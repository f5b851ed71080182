"""A network that is trained once, on series from formulas, and forecasts any series: weights of no table's shape."""
