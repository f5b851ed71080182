"""What `detect`, `sample` and `what_if` give back: as the library has them, with a picture."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tsforge.api.results import Picture, drawn
from tsforge.data import frames
from tsforge.detecting.running import Detection
from tsforge.fitted.sampling import Samples
from tsforge.fitted.scenarios import Scenarios


@dataclass(frozen=True, repr=False)
class Detected(Detection):
    """Values that a model did not expect: `frame`, `events`, `every`, `plot`."""

    def plot(self, path: str | Path | None = None, *, series: object = None, last: int | None = None) -> Picture:
        """Values with the interval of what was expected, outliers and new levels marked.

        path: a file for the picture, if wanted. series: an id or several; those with most that is unusual where None.
        last: steps of each; up to 2,000 about what was found where None.
        Raises DataError for a series that is not there or not judged, ConfigError for less than one step.
        """
        from tsforge.plotting.anomalies import anomalies
        from tsforge.plotting.captions import About

        return drawn(lambda to, view: anomalies(self, About(self.model), to, view), path, series, last)

    def __repr__(self) -> str:
        return f"<{self.found:,} of {self.judged:,} values are unusual: .frame, .events, .plot()>"


@dataclass(frozen=True, repr=False)
class Sampled(Samples):
    """Sample paths: `values`, `frame`, `total`, `probability`, `plot`."""

    def plot(
        self, path: str | Path | None = None, *, probability: str | None = None, series: object = None,
        last: int | None = None,
    ) -> Picture:  # fmt: skip
        """Some paths and their intervals behind the last values of their series.

        path: a file for the picture, if wanted. probability: a level, as "> 1000", the chance to pass which is drawn
        below. series: an id or several; a choice that the picture names where None. last: steps of the past.
        Raises DataError for a series that is not there, ConfigError for no level or less than one step.
        """
        from tsforge.tracking import sampling

        shown = sampling.Picture(self, None, probability)
        return drawn(lambda to, view: sampling.draw(shown, to, view), path, series, last)


@dataclass(frozen=True, repr=False)
class Foreseen(Scenarios):
    """Forecasts of several futures: `planned`, `others`, `frame`, `plot`."""

    def plot(self, path: str | Path | None = None, *, series: object = None, last: int | None = None) -> Picture:
        """All futures behind the last values of their series, and below their differences to the plan.

        path: a file for the picture, if wanted. series: an id or several; a choice that the picture names where None.
        last: steps of the past. Raises DataError for a series that is not there, ConfigError for less than one step.
        """
        from tsforge.tracking import scenarios

        return drawn(lambda to, view: scenarios.draw(self, to, view), path, series, last)


def own(made: Any, data: Any) -> dict[str, Any]:
    """The fields of a result, of which one with a picture is made, and with frames of the kind that the table is."""
    return {part.name: getattr(made, part.name) for part in fields(made)} | {"polars": frames.is_polars(data)}
