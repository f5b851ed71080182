"""predict by sample paths: its options, and what it prints, writes, draws and records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tsforge.cli.output import Written, command_line, echo, measured, print_json, print_run, print_timings
from tsforge.cli.standard import print_written, write_frame
from tsforge.cli.tables.forecast import print_frame

if TYPE_CHECKING:
    from tsforge.data.tidy import Frame
    from tsforge.fitted.sampling import Samples
    from tsforge.fitted.totals import Totals

SHOWN = 24  # rows on the screen
CHANCES = ("probability", "ever")  # columns
MIDDLE = ("q0.1", "q0.5", "q0.9")  # of the usual quantiles of totals, those on the screen


@Parameter(name="*")
@dataclass
class SampleOptions:
    """What is made of sample paths."""

    samples: int | None = None
    "Draw so many paths of all steps, series and targets together, as 500. (with the two below: 1000)"
    total: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None
    "Forecast sums of the paths, with intervals that are right for sums: over the horizon, or by day, week, month, quarter or year, as --total month."  # noqa: E501
    probability: str | None = None
    "Forecast the chance to pass a level, as '> 1000' or '< 0': in each step, and ever until then; or of the sums."
    seed: int | None = None
    "Seed of the paths. (default: 1)"

    @property
    def given(self) -> bool:
        """Whether any of it was asked for."""
        return any(value is not None for value in vars(self).values())

    @property
    def period(self) -> str | None:
        """What is summed; None for the whole horizon. Raises ConfigError for more than one word, as a table's name."""
        from tsforge.errors import ConfigError

        words = self.total or []
        if len(words) > 1 or any(Path(word).is_file() for word in words):
            raise ConfigError(f"--total takes the words that follow it: {' '.join(words)}", "put the table first")
        return words[0] if words else None

    def check(self, quantiles: list[float] | None) -> None:
        """Raises ConfigError for what does not go together."""
        from tsforge.errors import ConfigError
        from tsforge.fitted import totals

        if self.samples is None and self.total is None and self.probability is None:
            raise ConfigError("--seed is that of sample paths", "add --samples, --total or --probability")
        if quantiles is not None and self.total is None:
            raise ConfigError("sample paths have no quantiles", "leave out --quantiles, or add --total")
        if self.probability is not None:
            totals.parse(self.probability)
        if self.period is not None:
            totals.check_name(self.period)


def forecast(model: str, data: str | None, asked: SampleOptions, ahead: dict[str, Any], to: Written) -> int:
    """Draw paths; print, write, draw and record what was asked of them.

    ahead: horizon, quantiles, future_data, settings (of a pretrained model), how a hierarchy is reconciled, and whether
    paths are rounded to whole numbers.
    """
    from tsforge.data import tidy as tables
    from tsforge.fitted import reconciled, sampling
    from tsforge.tracking import sampling as recording
    from tsforge.tracking.tracker import BUSY, Tracker

    quantiles, rounded = ahead.pop("quantiles"), ahead.pop("rounded")
    count, seed = asked.samples or sampling.USUAL, 1 if asked.seed is None else asked.seed
    drawn = reconciled.sample(to.folder or model, data, count, **ahead, seed=seed)
    drawn = drawn.rounded() if rounded else drawn
    sums = None if asked.total is None else drawn.total(asked.period, quantiles)
    frame = _frame(drawn, sums, asked.probability)
    if to.output is not None:
        write_frame(frame, to.output)
    picture = recording.Picture(drawn, sums, asked.probability)
    if to.plot is not None:
        recording.draw(picture, Path(to.plot), to.picture.view())
    with Tracker(to.tracking_uri, None, on=to.track, limit=BUSY) as tracker:
        run = recording.record(picture, frame, (model, data), tracker, command_line())
    S, n, H, C = drawn.values.shape
    if to.json:
        what = {"samples": S, "seed": seed, "total": None if sums is None else asked.period or "horizon"}
        print_json(
            {"model": model, "series": n, "horizon": H, **what, "probability": asked.probability, "output": to.output,
             "plot": to.plot, "rows": len(frame), "forecast": tables.records(frame), "run": tracker.id(run)}
            | measured()
        )  # fmt: skip
        return 0
    if to.output is None:
        _print(drawn, frame, usual=quantiles is None)
    echo(f"{S:,} paths of {n:,} series x {H} steps" + (f" x {C} targets" if C > 1 else "") + f", seed {seed}")
    for name in (to.output, to.plot):
        if name is not None:
            print_written(name)
    print_run(tracker, run)
    print_timings()
    return 0


def _frame(drawn: Samples, sums: Totals | None, level: str | None) -> Any:
    """The table that was asked for."""
    if sums is not None:
        return sums.table(level)
    return drawn.frame if level is None else drawn.probability(level)


def _print(drawn: Samples, frame: Frame, *, usual: bool) -> None:
    """The first rows; of the usual quantiles of totals the middle ones, and their times where they have no name."""
    shown = frame.head(SHOWN)
    if "steps" in shown and "forecast" in shown:
        hidden = [name for name in shown if usual and str(name).startswith("q0.") and name not in MIDDLE]
        shown = shown.drop(columns=[*hidden, *(["from", "to"] if "period" in shown else [])])
    places = dict.fromkeys(CHANCES, 3)
    if "forecast" in shown:
        from tsforge.data.tidy import places_of

        numbers = [name for name in map(str, shown) if name.startswith(("forecast", "q0."))]
        places |= dict.fromkeys(numbers, places_of(drawn.panel.values, shown["forecast"].to_numpy()))
    print_frame(shown, places)
    if len(frame) > SHOWN:
        echo(f"... {len(frame) - SHOWN:,} more rows; --output paths.csv writes them all")
