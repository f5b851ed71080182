"""A fit as Python users hold it: what it scored, and what one does with it next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsforge.api import cards, reporting, summary, using
from tsforge.api.results import Backtested, Picture, Predicted, drawn
from tsforge.data import frames
from tsforge.errors import ConfigError
from tsforge.experiment import BacktestConfig
from tsforge.runtime.numbers import figure, percent
from tsforge.training import fitting
from tsforge.training.fitting import Fit


@dataclass(frozen=True, repr=False)
class Fitted(Fit):
    """A trained model, its scores on the held-out end beside those of baselines, and how it came about.

    table: what it was fitted on, as it was given.
    folder: of the model; None where it was not written.
    run: id of the MLflow run that remembers it; None where none does, or it is not delivered yet.
    """

    table: Any = None
    folder: Path | None = None
    run: str | None = None

    @classmethod
    def of(cls, fit: Fit, table: Any = None, folder: Path | None = None, run: str | None = None) -> Fitted:
        """A fit as users hold it."""
        return cls(fit.model, fit.dataset, fit.trained, fit.outcomes, table, folder, run)

    @property
    def scores(self) -> Any:
        """Every metric of every model on the held-out end, as a frame: rows are metrics, columns models, the fitted one
        first; empty without a test part. Of Polars metrics stand in a column `metric`."""
        return frames.scores(self.metrics, polars=frames.is_polars(self.table))

    @property
    def history(self) -> Any:
        """The validations, as a frame with the columns of `Round`: step, train and validation loss, seconds, ...; empty
        for what was not trained in steps."""
        return frames.like(frames.of_rows(self.rounds), polars=frames.is_polars(self.table))

    def predict(
        self, data: Any = None, *, horizon: int | None = None, quantiles: Sequence[float] | None = None,
        future_data: Any = None,
    ) -> Predicted:  # fmt: skip
        """Forecast what comes after the end of a table; that of the fit where None. See `tsforge.predict`."""
        data = self.table if data is None else data
        return using.predict(self, data, horizon=horizon, quantiles=quantiles, future_data=future_data)

    def backtest(self, data: Any = None, *, config: BacktestConfig | None = None) -> Backtested:
        """Judge the model on rows that it has not seen: of the fit's table where None. See `tsforge.backtest`."""
        return using.backtest(self, self.table if data is None else data, config=config)

    def save(self, folder: str | Path) -> Path:
        """Write the model directory, with scores and pictures, which `tsforge.load` and every command read."""
        fitting.save(self, Path(folder))
        return Path(folder)

    def report(self, path: str | Path, data: Any = None) -> None:
        """Write a page on the model, as `tsforge.report`: of the fit's table where None."""
        reporting.report(self, self.table if data is None else data, path)

    def written(self) -> Path:
        """The folder of the model. Raises ConfigError where it was not written."""
        if self.folder is None:
            raise ConfigError("the fit was not written to a folder", "save it, and name that folder; or fit with `out`")
        return self.folder

    def plot(self, path: str | Path | None = None, *, series: object = None, last: int | None = None) -> Picture:
        """The last held-out window of series: truth, the model, seasonal naive; without a test part the forecast of
        what comes next.

        path: a file for the picture, if wanted. series: an id or several; where None a choice from the highest error to
        the lowest. last: steps before the end that it shows; one window and three horizons before it where None.
        Raises DataError for a series without a window, ConfigError for less than one step or too many series.
        """
        from tsforge.plotting import forecasts
        from tsforge.plotting.captions import About

        if not self.outcomes:
            return self.predict().plot(path, series=series, last=last)
        kind = self.model.experiment.model.kind
        tested = forecasts.Tested(self.dataset.panel, self.dataset.parts.test, self.outcomes)
        about = About(kind, self.metrics[kind])
        return drawn(lambda to, view: forecasts.held_out(tested, about, to, view), path, series, last)

    def summary(self) -> str:
        """The scores beside those of the baselines, what they leave out, and the verdict, as text."""
        title = repr(self)[1:-1]
        return "\n".join([title, *(["", *summary.lines(self)] if self.outcomes else [])])

    def __repr__(self) -> str:
        config = self.model.experiment
        count = len(self.dataset.panel)
        series = "1 series" if count == 1 else f"{count:,} series"
        what = f"{config.model.kind} on {', '.join(config.data.target)}: {series}, horizon {config.data.horizon}"
        if not self.outcomes:
            return f"<{what}, not scored (no test part)>"
        value = self.metrics[config.model.kind][self.primary]
        gain = percent(self.skill).strip()
        skill = f", {gain} against {self.best_simple}" if gain and self.best_simple != config.model.kind else ""
        return f"<{what}, {self.primary} {figure(value)}{skill}>"

    def _repr_html_(self) -> str:
        from tsforge.api.verdict import sentence

        notes = [sentence(self.judgement)] if self.outcomes and self.judgement else []
        picture = self.plot()._repr_png_()
        return cards.card(repr(self)[1:-1], self.shown if self.outcomes else {}, notes, picture)
