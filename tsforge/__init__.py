"""tsforge: from a CSV to a trained, tracked, compared and trustworthy forecast.

import tsforge
experiment = tsforge.build({"data.horizon": 48, "model.kind": "lstm"})
fitted = tsforge.fit(experiment, "data.csv", out="models/demand")
tsforge.predict("models/demand", "data.csv").frame
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tsforge.artifact import Model, load
    from tsforge.comparison.running import Compared, compare
    from tsforge.errors import TsforgeError
    from tsforge.experiment import Experiment, build
    from tsforge.explanation import Explanation, explain
    from tsforge.prediction import Prediction, predict
    from tsforge.rolling import Backtest, backtest
    from tsforge.sweeping.conductor import Sweep
    from tsforge.sweeping.entry import sweep
    from tsforge.training import Fit, fit

# Resolved on first use: `import tsforge` loads neither torch nor pandas.
_HOMES = {
    "Experiment": "experiment", "build": "experiment", "fit": "training", "Fit": "training", "load": "artifact",
    "Model": "artifact", "predict": "prediction", "Prediction": "prediction", "TsforgeError": "errors",
    "backtest": "rolling", "Backtest": "rolling", "explain": "explanation", "Explanation": "explanation",
    "compare": "comparison.running", "Compared": "comparison.running", "sweep": "sweeping.entry",
    "Sweep": "sweeping.conductor",
}  # fmt: skip

__all__ = [
    "Backtest",
    "Compared",
    "Experiment",
    "Explanation",
    "Fit",
    "Model",
    "Prediction",
    "Sweep",
    "TsforgeError",
    "__version__",
    "backtest",
    "build",
    "compare",
    "explain",
    "fit",
    "load",
    "predict",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tsforge.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tsforge' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
