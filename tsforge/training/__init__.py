"""An experiment and a dataset to a fitted model."""
