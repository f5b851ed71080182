"""tsforge: from a CSV to a trained, tracked, compared and trustworthy forecast.

import tsforge
experiment = tsforge.build({"data.horizon": 48, "model.kind": "lstm"})
fitted = tsforge.fit(experiment, "data.csv", out="models/demand")
tsforge.predict("models/demand", "data.csv").frame
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tsforge.version import __version__

if TYPE_CHECKING:
    from tsforge.backtesting.rolling import Backtest, backtest
    from tsforge.comparison.running import Compared, compare
    from tsforge.errors import TsforgeError
    from tsforge.experiment import Experiment
    from tsforge.fitted.directory import load
    from tsforge.fitted.explanation import Explanation, explain
    from tsforge.fitted.model import Model
    from tsforge.fitted.prediction import Prediction, predict
    from tsforge.settings import build
    from tsforge.sweeping.entry import sweep
    from tsforge.sweeping.running import Sweep
    from tsforge.training.fitting import Fit, fit

# Resolved on first use: `import tsforge` loads neither torch nor pandas.
_HOMES = {
    "Experiment": "experiment", "build": "settings", "fit": "training.fitting", "Fit": "training.fitting",
    "load": "fitted.directory", "Model": "fitted.model", "predict": "fitted.prediction",
    "Prediction": "fitted.prediction", "explain": "fitted.explanation", "Explanation": "fitted.explanation",
    "TsforgeError": "errors", "backtest": "backtesting.rolling", "Backtest": "backtesting.rolling",
    "compare": "comparison.running", "Compared": "comparison.running", "sweep": "sweeping.entry",
    "Sweep": "sweeping.running",
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
