"""A sweep from Python, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsforge.config import parse
from tsforge.errors import ConfigError
from tsforge.experiment import Experiment
from tsforge.sweeping import running
from tsforge.sweeping.config import SweepConfig, of_experiment, plan
from tsforge.sweeping.running import Sweep, Where
from tsforge.tracking.tracker import Tracker


def sweep(
    experiment: Experiment | str | Path,
    data: Any = None,
    settings: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    *,
    out: str | Path,
) -> Sweep:
    """Search the settings of an experiment, and fit a model with the best; not recorded.

    The same call goes on with a search that was stopped: see `Sweep.stopped`.

    experiment: where it starts, or the path of a TOML file that may have [sweep] and [space]. data: a path, the name of
    a data set, or a frame, which is kept as a file in `out`; the experiment's own where None. settings: of the search
    (`SweepConfig`), as {"models": ("lstm", "gru"), "trials": 20, "workers": 2}. space: ranges by dotted path, as
    {"train.lr": "log(1e-4,1e-2)"}; each setting's own where nothing is said. out: folder for the study, the
    leaderboard, best.toml and the model.
    Raises TsforgeError.
    """
    settings, ranges = dict(settings or {}), dict(space or {})
    where = Where.fresh(out)
    if isinstance(experiment, Experiment):
        asked = of_experiment(experiment, parse(SweepConfig, settings, "settings"), ranges)
    else:
        asked = plan({}, _file(experiment), settings, list(ranges.items()))
    settled = running.settle(asked, data, where.folder)
    done, _ = running.sweep(settled, where, Tracker(on=False))
    return done


def _file(path: str | Path) -> Path:
    """Raises ConfigError for what is no TOML file."""
    if Path(path).suffix != ".toml":
        raise ConfigError(
            f"{path}: no experiment, and no TOML file",
            'tsforge.sweep(tsforge.build({...}), "data.csv", out="sweeps/a")',
        )
    return Path(path)
