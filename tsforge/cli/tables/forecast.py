"""What the terminal shows of a forecast: the first rows, with one interval and the digits that the data have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tsforge.cli.output import echo, print_table

if TYPE_CHECKING:
    from tsforge.data.tidy import Frame
    from tsforge.fitted.prediction import Prediction

ROWS = 24  # on the terminal
USUAL = (0.1, 0.9)  # the interval that is shown, where the model has it


def interval(levels: tuple[float, ...]) -> tuple[float, float] | None:
    """The levels of the interval that is shown: of 80 %, else the widest one; None where no two levels make one."""
    if set(USUAL) <= set(levels):
        return USUAL
    pairs = [(low, high) for low in levels for high in levels if low < 0.5 and abs(low + high - 1) < 1e-9]
    return min(pairs, default=None)


def print_forecast(result: Prediction, frame: Frame, *, every: bool) -> None:
    """Print the first rows. every: with all quantiles, as somebody asked for them."""
    from tsforge.data.tidy import places_of, quantile_name

    pair = interval(result.levels)
    hidden = {quantile_name(level) for level in result.levels if not every and level not in (pair or ())}
    shown = frame.head(ROWS).drop(columns=sorted(hidden))
    print_frame(shown, dict.fromkeys(map(str, shown.columns), places_of(result.panel.values, result.point)))
    if pair is not None and not every:
        low, high = map(quantile_name, pair)
        echo(f"  {low} to {high}: the interval of {100 * (pair[1] - pair[0]):.0f} %")
    left, more = len(frame) - len(shown), f"{len(hidden)} more quantiles" if hidden else ""
    rows = f"{left:,} more rows" if left > 0 else ""
    if rows or more:
        echo(f"... {' and '.join(filter(None, (rows, more)))}; --output forecast.csv writes them all")


def print_frame(frame: Frame, places: Mapping[str, int] | None = None) -> None:
    """Print a frame: numbers on the right, all else on the left. places: of numbers, by column, where known."""
    from tsforge.data.tidy import texts

    left = [j for j, kind in enumerate(frame.dtypes) if kind.kind not in "fiu"]
    print_table([str(name) for name in frame.columns], texts(frame, places or {}), tuple(left))
