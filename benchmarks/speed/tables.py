"""Markdown tables of results, and the ratios in them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.speed.machine import NOISY

Result = Mapping[str, Any]
NOTHING = "–"  # in a cell that has no value


def markdown(titles: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> list[str]:
    """The lines of a table, of which the first columns, `words` of them, are words and the others numbers."""
    marks = ["---"] * words + ["--:"] * (len(titles) - words)
    lines = ["| " + " | ".join(titles) + " |", "|" + "|".join(marks) + "|"]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, with commas between thousands; a dash for None."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    decimals = max(0, digits - len(f"{abs(value):.0f}")) if abs(value) >= 1 else digits - 1
    return f"{value:,.{decimals}f}"


def span(values: Sequence[float], digits: int = 2) -> str:
    """The least and the most of some values."""
    return f"{min(values):.{digits}f}–{max(values):.{digits}f}"


def ratios(own: Sequence[float], other: Sequence[float]) -> list[float]:
    """Of each pair: the one over the other."""
    return [a / b for a, b in zip(own, other, strict=True)]


def paired(own: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """Medians of two pieces of work done in turns, and the median of their ratios."""
    each = ratios(own, other)
    return {
        "seconds": statistics.median(own), "base_seconds": statistics.median(other),
        "ratio": statistics.median(each), "least": min(each), "most": max(each), "pairs": [list(own), list(other)],
    }  # fmt: skip


def noise(results: Mapping[str, Result]) -> list[str]:
    """A line that names the rows during which other programs were busy, and one for each row without a result."""
    busy = [f"{name} ({row['others']:.2f})" for name, row in results.items() if (row.get("others") or 0) > NOISY]
    lines = [f"Noisy, as other programs used more than {NOISY} cores meanwhile: {', '.join(busy)}."] if busy else []
    if any("others" in row and row["others"] is None for row in results.values()):
        lines.append("How busy other programs were cannot be told on this system.")
    reasons = {name: row.get("failed") or row.get("missing") for name, row in results.items()}
    return lines + [f"Without a result: {name}: {_brief(str(why))}" for name, why in reasons.items() if why]


def _brief(reason: str) -> str:
    """In one line; of a traceback its last."""
    return " ".join((reason.strip().rpartition("\n")[2] if 'File "' in reason else reason).split())
