"""Numbers as people read them: scores, counts, shares, durations, sizes; and as JSON and MLflow take them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

SMALLEST = 1e-7  # below which a number has an exponent
PLACES, MOST = 4, 6  # of a number beside larger ones: for four digits of it, and for two


class Count(int):
    """A count in a note, as 1,234,567: notes of several parts of a table add theirs up."""

    def __str__(self) -> str:
        return f"{int(self):,}"


def figure(value: float | None, missing: str = "-") -> str:
    """Four significant digits, as 0.1235 and 1,234,567; `missing` for None, NaN and the infinite."""
    if value is None or not math.isfinite(value):
        return missing
    if abs(value) >= 999.95:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1e-4 or abs(value) < SMALLEST else amount(value, 4)


def figures(values: Sequence[float | None], missing: str = "-") -> list[str]:
    """Values that are read beside each other, all to the same place: four digits of the middle one, the larger of two.

    The smallest has four digits too where four places hold them, or two where six places do.
    """
    sizes = sorted(abs(v) for v in values if v is not None and math.isfinite(v) and v)
    if not sizes or sizes[0] < SMALLEST:
        return [figure(value, missing) for value in values]
    usual = sizes[(len(sizes) - 1) // 2] if len(sizes) > 2 else sizes[-1]
    middle, smallest = (3 - math.floor(math.log10(float(f"{size:.4g}"))) for size in (usual, sizes[0]))
    places = max(0, middle, min(smallest, PLACES), smallest - 2 if smallest - 2 <= MOST else 0)
    return [f"{v:,.{places}f}" if v is not None and math.isfinite(v) else missing for v in values]


def amount(value: float, digits: int = 12) -> str:
    """A value as tables have it: 5000000 and 0.00002, without an exponent unless it needs twenty places or more.

    digits: significant ones at most.
    """
    if value == 0 or not 1e-12 <= abs(value) < 1e20:
        return f"{value:.{digits}g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{float(f'{value:.{digits}g}'):.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def grouped(value: float | None) -> str:
    """Whole numbers in full, as 1,234,567; others with four significant digits; None as an empty text."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1 else figure(value, str(value))


def between(counts: Sequence[int], missing: str = "–") -> str:
    """The range of several counts, as "900 to 1,000", or the one count that they share."""
    if not counts:
        return missing
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def spread(mean: float, deviation: float | None, form: str = "", deviation_form: str = "") -> str:
    """Mean and standard deviation, as "0.51 ± 0.02"; the mean alone where the deviation is None.

    form, deviation_form: of the two; without them the mean has four digits and the deviation two.
    """
    text = form.format(mean) if form else figure(mean, str(mean))
    if deviation is None:
        return text
    short = deviation_form.format(deviation) if deviation_form else _two_digits(deviation)
    return f"{text} ± {short}"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f}" if abs(value) >= 99.5 else amount(value, 2)


def four_digits(value: float) -> str:
    """The format that shows four digits of a value and its deviation to the same place, as "{:,.2f}" for 12.3456."""
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{{:,.{max(0, 3 - size)}f}}" if size >= -4 else "{:.3g}"


def percent(value: float, missing: str = "") -> str:
    """A gain or a loss in per cent, as "+12.3 %"; `missing` where it is not finite."""
    return f"{value:+,.1f} %" if math.isfinite(value) else missing


def duration(seconds: float) -> str:
    """A time as "42 s", "3:05 min" or "1:02 h"."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02d} min" if whole < 5400 else f"{whole // 3600}:{whole // 60 % 60:02d} h"


def size(count: float, missing: str = "–") -> str:
    """Bytes with three digits in the unit that fits, as "1.25 MB"; `missing` where the count is not finite."""
    if not math.isfinite(count):
        return missing
    *larger, unit = "PB", "TB", "GB", "MB", "kB", "B"
    while count >= 1000 and larger:
        count, unit = count / 1000, larger.pop()
    return f"{count:#.3g}".rstrip(".") + f" {unit}"


def rounded(values: Mapping[str, float], digits: int = 6) -> dict[str, float]:
    """Values to significant digits, by name; without those that are not finite."""
    return {name: float(f"{value:.{digits}g}") for name, value in values.items() if math.isfinite(value)}


def plain(value: Any) -> Any:
    """A nested value as JSON takes it: texts as keys, lists, Python's own numbers, null for NaN and the infinite."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if hasattr(value, "item"):  # numpy's
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
