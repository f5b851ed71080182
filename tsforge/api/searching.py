"""sweep and compare as Python users call them: on a table, from an experiment, or from whatever holds a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.api import models
from tsforge.api.fitted import Fitted
from tsforge.comparison import running as comparing
from tsforge.comparison.config import DEFAULTS
from tsforge.comparison.running import Compared
from tsforge.config import flattened
from tsforge.data.shipped import is_experiment
from tsforge.errors import ConfigError
from tsforge.experiment import Experiment
from tsforge.fitted import directory, manifest
from tsforge.model.zoo import NETWORK, networks
from tsforge.runtime import logs
from tsforge.settings import build, full, override
from tsforge.sweeping import running as sweeping
from tsforge.sweeping.running import Sweep
from tsforge.tracking import registry

if TYPE_CHECKING:
    from tsforge.fitted.model import Model
    from tsforge.training.fitting import Fit

_OTHERS = ("name", "model", "ensemble", "backtest", "seed")  # of an experiment, what a comparison does not take over


def sweep(
    what: Experiment | Fit | Model | str | Path | Any, data: Any = None, settings: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None, *, horizon: int | None = None, out: str | Path,
) -> Sweep:  # fmt: skip
    """Search the settings of an experiment, and fit a model with the best; not recorded.

    tsforge.sweep(frame, horizon=12, settings={"models": ("lstm", "gru"), "trials": 20}, out="sweeps/a")

    The same call goes on with a search that was stopped: see `Sweep.stopped`.

    what: a table (path, name of a data set, pandas or Polars frame); or where the search starts: an `Experiment`, the
        path of a TOML file that may have [sweep] and [space], a fit, a model, its directory or its address.
    data: the table of these; their own where None. A frame is kept as a file in `out`.
    settings: of the search (`SweepConfig`), as {"models": ("lstm", "gru"), "trials": 20, "workers": 2}; and of the
        experiment by their dotted paths, as {"train.max_steps": 200}.
    space: ranges by dotted path, as {"train.lr": "log(1e-4,1e-2)"}; each setting's own where none is given.
    horizon: steps to forecast; as the experiment has it, or as the frequency suggests, where None.
    out: folder for the study, the leaderboard, best.toml and the model.
    Raises TsforgeError.
    """
    logs.heard()
    given = dict(settings or {})
    own = {path: given.pop(path) for path in list(given) if "." in path}
    own |= {"data.horizon": horizon} if horizon is not None else {}
    start, table = _start(what, data)
    if start is None:
        start = build({"model.kind": next(iter(given.get("models", ())), NETWORK)} | own)
    elif isinstance(start, Experiment):
        start = override(start, own) if own else start
    elif own:
        raise ConfigError(f"{start} says what the experiment is", "change it there, or build an Experiment from it")
    found = sweeping.sweep(start, table, given, space, out=out)
    fit = None if found.fit is None else Fitted.of(found.fit, table, found.folder / "model")
    return replace(found, fit=fit)


def compare(
    what: Fit | Model | str | Path | Any, overrides: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None, *, data: Any = None, horizon: int | None = None, out: str | Path,
) -> Compared:  # fmt: skip
    """Put architectures side by side, not recorded: compare("data.csv", settings={"models": ("lstm", "gru")}, out="c").

    what: a table (path, name of a data set, pandas or Polars frame), or a TOML file with a comparison; or a fit, a
        model, its directory or its address, whose data and training are taken over, and whose network is among those
        that are compared.
    overrides: dotted settings of the experiments, as {"train.max_steps": 200}.
    settings: of the comparison (`CompareConfig`).
    data: the table of a model; that of its fit where None. horizon: steps to forecast.
    out: folder for the page, the pictures and the models.
    Raises TsforgeError.
    """
    logs.heard()
    asked, own = dict(settings or {}), {full(path): value for path, value in (overrides or {}).items()}
    own |= {"data.horizon": horizon} if horizon is not None else {}
    start, table = _start(what, data)
    if isinstance(start, Experiment):
        plain = start.plain()
        kept = flattened({name: value for name, value in plain.items() if name not in _OTHERS})
        kept.pop("data.path", None)
        if start.model.kind in networks():
            asked.setdefault("models", tuple(dict.fromkeys((start.model.kind, *DEFAULTS))))
            mine = {name: value for name, value in plain["model"].items() if name != "kind"}
            if start.model.kind in asked["models"]:
                asked["settings"] = {start.model.kind: mine} | dict(asked.get("settings", {}))
        return comparing.compare(table if table is not None else start.data.path, kept | own, asked, out=out)
    return comparing.compare(start if start is not None else table, own, asked, out=out)


def _start(what: Any, data: Any) -> tuple[Experiment | str | Path | None, Any]:
    """Where to start from: an experiment, a TOML file, or None for a table alone; and the table."""
    if isinstance(what, Experiment):
        return what, data
    if isinstance(what, str | Path):
        if is_experiment(what):
            return what, data
        if registry.is_recorded(what) or (Path(what) / manifest.NAME).is_file():
            return directory.load(registry.local(what)).experiment, data
    elif hasattr(what, "network") or hasattr(what, "model"):
        own, data = models.beside(what, data)
        return getattr(own, "experiment"), data  # noqa: B009  (of a model, as it is no path)
    if data is not None:
        raise ConfigError("two tables are given", "name an experiment or a model first, or one table")
    return None, what
