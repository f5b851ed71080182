"""What if: the forecast of a table beside those of other futures of its covariates, and how they differ.

A scenario changes covariates known in advance over the steps ahead: "price*1.1", "promo=1", "price-2,promo=1", or with
a name in front, "sale: price*0.9, promo=1". What comes out is what the model has learned of these columns, which need
not be a cause: where prices were raised when demand was high, a higher price comes with a higher forecast.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsforge.data import frames, tidy
from tsforge.data.panel import Panel
from tsforge.errors import ConfigError, listing, nearest
from tsforge.fitted import directory, prediction
from tsforge.fitted.model import Model
from tsforge.fitted.prediction import Floats, Prediction
from tsforge.runtime.threads import sparing

log = logging.getLogger("tsforge")

PLANNED = "as planned"  # the future that the table, or `future_data`, holds
_SET = re.compile(r"\s*(?P<column>[^=]+?)\s*(?P<sign>=)\s*(?P<value>.+?)\s*")  # to whatever stands there
_COMPUTED = re.compile(r"\s*(?P<column>.+?)\s*(?P<sign>[*/+-])\s*(?P<value>[^*/]+?)\s*")
_HINT = "as 'price*1.1', 'promo=1', or several with commas between: 'sale: price*0.9, promo=1'"


class Change(NamedTuple):
    """What becomes of one column over the steps ahead. sign: "=" sets it, "*", "/", "+" and "-" compute with it."""

    column: str
    sign: str
    value: str


class Scenario(NamedTuple):
    """A future: its name, and what is changed in it."""

    name: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, repr=False)
class Scenarios:
    """Forecasts of the same steps in several futures.

    planned: of the future as it stands in the table.
    others: of each scenario, by its name.
    polars: whether the frame is one of Polars, as the table was.
    """

    planned: Prediction
    others: dict[str, Prediction]
    polars: bool = False

    def __repr__(self) -> str:
        n, H, _ = self.planned.point.shape
        return f"<{len(self.others):,} scenarios of {n:,} series x {H} steps: {listing(self.others)}: .frame>"

    @property
    def frame(self) -> Any:
        """The tidy table of all futures, one behind the other.

        Columns: `scenario`, those of `Prediction.frame`, and `difference`, `difference_low`, `difference_high`: the
        forecast less the planned one, and the least and the most of that over the levels, quantile by quantile (the
        same luck in both futures); 0 in the rows of the planned future.
        """
        made_of = {}
        for name, made in {PLANNED: self.planned, **self.others}.items():
            low, high = self.spread(made)
            own = {"difference": made.point - self.planned.point, "difference_low": low, "difference_high": high}
            made_of[name] = made.frame.assign(**{column: values.reshape(-1) for column, values in own.items()})
        return frames.like(tidy.beside(made_of, "scenario"), polars=self.polars)

    def spread(self, made: Prediction) -> tuple[Floats, Floats]:
        """Least and most of the differences of a future to the planned one over the levels, (n, H, C) each."""
        gaps = np.concatenate([made.point[..., None], made.quantiles], axis=-1)
        gaps = gaps - np.concatenate([self.planned.point[..., None], self.planned.quantiles], axis=-1)
        return gaps.min(axis=-1), gaps.max(axis=-1)


def parse(text: str) -> Scenario:
    """A scenario from its text. Raises ConfigError for what is no change of a column."""
    name, _, rest = text.partition(":") if ":" in text.split("=")[0] else (text, "", text)
    changes = []
    for part in rest.split(","):
        found = _SET.fullmatch(part) or _COMPUTED.fullmatch(part)
        if found is None:
            raise ConfigError(f"scenario '{text}': '{part.strip()}' changes no column", _HINT)
        changes.append(Change(**found.groupdict()))
    return Scenario(name.strip(), tuple(changes))


@sparing()
def what_if(
    model: Model | str | Path, data: Any = None, scenarios: Sequence[str] = (), *, horizon: int | None = None,
    quantiles: Sequence[float] | None = None, future_data: Any = None,
) -> Scenarios:  # fmt: skip
    """Forecast several futures: `tsforge.what_if` with a model or its directory."""
    asked = [parse(text) for text in scenarios]
    names = [scenario.name for scenario in asked]
    if not names or len(set(names)) < len(names) or PLANNED in names:
        raise ConfigError(f"scenarios need names of their own: {listing(names)}" if names else "no scenario", _HINT)
    prediction.check_horizon(horizon, prediction.LONGEST)
    model = model if isinstance(model, Model) else directory.load(model)
    if model.experiment.data.hierarchy:
        raise ConfigError("futures of a hierarchy would not add up", "ask for them of a model of its bottom series")
    levels, steps = prediction.wanted(model, quantiles), horizon or model.shape.horizon
    rolled = prediction.rolled(model, steps)
    panel = prediction.read(model, data, rolled, future_data)
    futures = {scenario.name: changed(panel, scenario, steps) for scenario in asked}
    prediction.check_future(panel, steps, rolled, future_data)
    planned = prediction.of_panel(model, _own(panel), steps, levels)
    others = {name: prediction.of_panel(model, _own(future), steps, levels) for name, future in futures.items()}
    for name, made in others.items():
        if np.array_equal(made.point, planned.point, equal_nan=True):
            log.warning("scenario '%s' changes nothing: the model does not look at these columns, or they are so", name)
    return Scenarios(planned, others)


def _own(panel: Panel) -> Panel:
    """With values and past of its own: a roll-out writes into them."""
    return replace(panel, values=panel.values.copy(), past=panel.past.copy())


def changed(panel: Panel, scenario: Scenario, steps: int) -> Panel:
    """The table with another future: what the scenario changes, over so many steps after the end of each series.

    Raises ConfigError for a column that is not known in advance, or a value that it cannot have.
    """
    for change in scenario.changes:
        panel = _changed(panel, change, panel.ends[:, None] + np.arange(steps))
    return panel


def _changed(panel: Panel, change: Change, rows: Any) -> Panel:
    """The table with one change in some rows, (n, steps)."""
    names = [column.name for column in panel.schema.future]
    if change.column not in names:
        hint = f"known in advance: {listing(names)}" if names else "fit it with data.future set to the columns you plan"
        raise ConfigError(
            f"the model knows no column '{change.column}' in advance", nearest(change.column, names) or hint
        )
    j, future, labels = names.index(change.column), panel.future.copy(), panel.labels
    if panel.schema.future[j].kind == "category":
        if change.sign != "=":
            raise ConfigError(f"'{change.column}' holds categories, which are set and not computed with", _HINT)
        own = labels.get(change.column, ())
        if change.value not in own:
            close = nearest(change.value, own) or f"it has: {listing(own)}"
            raise ConfigError(f"'{change.column}' never was '{change.value}' in {panel.name}", close)
        future[rows, j] = own.index(change.value)
        return replace(panel, future=future)
    try:
        value = float(change.value)
        if not np.isfinite(value):
            raise ValueError(change.value)
    except ValueError:
        raise ConfigError(f"'{change.column}' holds numbers, and '{change.value}' is none", _HINT) from None
    if change.sign == "/" and value == 0:
        raise ConfigError(f"'{change.column}' cannot be divided by 0", _HINT)
    now = future[rows, j]
    new = {"=": np.full_like(now, value), "*": now * value, "+": now + value, "-": now - value}
    future[rows, j] = new[change.sign] if change.sign in new else now / value
    _note_beyond(panel, j, future[rows, j])
    return replace(panel, future=future)


def _note_beyond(panel: Panel, j: int, ahead: Floats) -> None:
    """Warn where values lie outside what the column ever was."""
    past = panel.future[:, j][np.arange(len(panel.future)) < panel.ends[panel.row_series()]]
    if not np.isfinite(past).any() or not np.isfinite(ahead).any():
        return
    low, high = float(np.nanmin(past)), float(np.nanmax(past))
    if np.nanmin(ahead) < low or np.nanmax(ahead) > high:
        log.warning(
            "'%s' goes from %g to %g in a scenario and was between %g and %g: what it does beyond is guessed",
            panel.schema.future[j].name, float(np.nanmin(ahead)), float(np.nanmax(ahead)), low, high,
        )  # fmt: skip
