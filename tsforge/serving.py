"""Where models that version 0.1 exported to MLflow look for what serves them."""

from tsforge.tracking.serving import ServedModel as Forecaster

__all__ = ["Forecaster"]
