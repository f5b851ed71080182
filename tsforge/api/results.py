"""What the functions of `tsforge` give back: forecasts and backtests, with tables, pictures and a line about each.

A frame has the kind of the table that it came from: Polars for Polars, else pandas.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.api import cards
from tsforge.backtesting.result import Backtest
from tsforge.data import frames, tidy
from tsforge.evaluation.metrics import SHOWN
from tsforge.evaluation.scores import primary, scores
from tsforge.fitted.prediction import Prediction
from tsforge.runtime.numbers import figure

if TYPE_CHECKING:
    from tsforge.plotting.choosing import View


class Picture:
    """A picture in PNG, which a notebook shows; `save` writes it to a file.

    draw: writes it to a path, in the format of its ending.
    """

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def save(self, path: str | Path) -> None:
        """Write it, as .png, .svg or .pdf. Raises ConfigError for another ending."""
        self._draw(Path(path))

    def _repr_png_(self) -> bytes:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "picture.png"
            self._draw(path)
            return path.read_bytes()

    def __repr__(self) -> str:
        return "Picture: a notebook shows it, .save('picture.png') writes it"


@dataclass(frozen=True, repr=False)
class Predicted(Prediction):
    """Forecasts from the end of every series: `frame`, or point (n, H, C) and quantiles (n, H, C, Q) at `levels`.

    polars: whether the frame is one of Polars, as the table was. known: scores of the model, for titles of pictures.
    """

    polars: bool = False
    known: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, made: Prediction, table: Any, known: Mapping[str, float] | None = None) -> Predicted:
        """A forecast of a table as users hold it."""
        own = {part.name: getattr(made, part.name) for part in fields(made)}
        return cls(**own, polars=frames.is_polars(table), known=known or {})

    @property
    def frame(self) -> Any:
        """The tidy table: ids, time, `target` where there are several, `forecast`, `q0.1`, ..."""
        return frames.like(super().frame, polars=self.polars)

    def plot(self, path: str | Path | None = None, *, series: object = None, last: int | None = None) -> Picture:
        """The forecasts behind the last values of their series.

        path: a file for the picture, if wanted. series: an id or several; a choice that the picture names where None.
        last: steps of the past that it shows; three horizons, 48 at least, where None.
        Raises DataError for a series that is not there, ConfigError for less than one step or too many series.
        """
        from tsforge.plotting import forecasts
        from tsforge.plotting.captions import About

        about = About(self.model, self.known)
        return drawn(lambda to, view: forecasts.forecast(self, about, to, view), path, series, last)

    def __repr__(self) -> str:
        n, H, C = self.point.shape
        levels = f", quantiles {self.levels[0]:g} to {self.levels[-1]:g}" if self.levels else ""
        return f"<forecast of {_series(n)} x {H} steps{_targets(C)}{levels}: .frame, .plot()>"

    def _repr_html_(self) -> str:
        inner = [level for level in self.levels if abs(level - 0.5) < 0.41]  # of 80 per cent, where there is one
        ranges = {tidy.quantile_name(level) for level in (*inner[:1], *inner[-1:])}
        frame = super().frame
        others = [name for name in map(tidy.quantile_name, self.levels) if name not in ranges]
        return cards.frame(repr(self)[1:-1], frame.drop(columns=others), self.plot()._repr_png_())


@dataclass(frozen=True, repr=False)
class Backtested(Backtest):
    """Forecasts of windows that were held out, by the model and by baselines: `scores`, `frame`, `plot`.

    polars: whether frames are of Polars, as the table was.
    """

    polars: bool = False

    @classmethod
    def of(cls, test: Backtest, table: Any) -> Backtested:
        """A backtest on a table as users hold it."""
        own = {field.name: getattr(test, field.name) for field in fields(test)}
        return cls(**own, polars=frames.is_polars(table))

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Every metric by model, averaged as `config.average` says."""
        average = self.config.average
        return {name: scores(outcome, None, average) for name, outcome in self.outcomes.items()}

    @property
    def scores(self) -> Any:
        """Every metric of every model, as `Fitted.scores`: a row for each metric, a column for each model."""
        return frames.scores(self.metrics, polars=self.polars)

    @property
    def frame(self) -> Any:
        """Every forecast beside its truth, a row for each model, series, origin, step and target, as
        `Backtest.frame`."""
        return frames.like(super().frame, polars=self.polars)

    def plot(self, path: str | Path | None = None, *, series: object = None, last: int | None = None) -> Picture:
        """The last windows of series that do not overlap: truth, the model, seasonal naive.

        path: a file for the picture, if wanted. series: an id or several; where None a choice from the highest error to
        the lowest. last: steps before the end that it shows; four windows and a horizon before them where None.
        Raises DataError for a series without a window, ConfigError for less than one step or too many series.
        """
        from tsforge.plotting import forecasts
        from tsforge.plotting.captions import ERRORS, About

        model, *_ = self.models
        known = scores(self.outcomes[model], (*ERRORS, "coverage_80"), self.config.average)
        tested = forecasts.Tested(self.panel, self.forecasts.windows, self.outcomes)
        return drawn(lambda to, view: forecasts.rolled(tested, About(model, known), to, view), path, series, last)

    def __repr__(self) -> str:
        model, *_ = self.models
        values = scores(self.outcomes[model], SHOWN, self.config.average)
        name = primary(values)
        return (
            f"<backtest of {model}: {self.windows:,} windows of {_series(self.series)}, {name} {figure(values[name])}>"
        )

    def _repr_html_(self) -> str:
        shown = {name: {metric: values[metric] for metric in SHOWN} for name, values in self.metrics.items()}
        return cards.card(repr(self)[1:-1], shown, [], self.plot()._repr_png_())


def drawn(draw: Callable[[Path, View], None], path: str | Path | None, series: object, last: int | None) -> Picture:
    """The picture of a result, and its file where one is wanted. draw: writes what a view shows to a path."""
    from tsforge.plotting.choosing import View

    view = View.of(series, last)
    picture = Picture(lambda to: draw(to, view))
    if path is not None:
        picture.save(path)
    return picture


def _series(count: int) -> str:
    return "1 series" if count == 1 else f"{count:,} series"


def _targets(count: int) -> str:
    return f" x {count} targets" if count > 1 else ""
