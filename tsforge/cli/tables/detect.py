"""What the terminal shows of a detection: what was found, event by event, and how many alarms are to be false."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tsforge.cli.output import grid
from tsforge.runtime.numbers import figure

if TYPE_CHECKING:
    from tsforge.detecting.running import Detection, Event

MOST = 20  # events on the terminal


def lines(result: Detection) -> list[str]:
    """For the terminal: the most unusual events, in the order of time."""
    if not result.judged:
        return ["no row is new since the state was written"]
    events = sorted(result.events, key=lambda event: event.p)[:MOST]
    shown = [_row(result, event) for event in sorted(events, key=lambda event: (event.series, event.first))]
    several = _several(result)
    header = [*several, "from", "to", "kind", "values", "value", "expected", "severity", "p"]
    table = grid(header, shown, left=tuple(range(len(several) + 3))) if shown else []
    rest = len(result.events) - len(events)
    more = [f"... {rest:,} more; --output anomalies.csv writes them all"] if rest else []
    return [*table, *more, *([""] if shown else []), *_counts(result)]


def _several(result: Detection) -> list[str]:
    return [*(["series"] if result.panel.ids else []), *(["target"] if len(result.panel.schema.target) > 1 else [])]


def _row(result: Detection, event: Event) -> list[str]:
    """One event, by its most unusual value."""
    at = _facts(result, event)
    own = [at[name] for name in _several(result)]
    to = _until(at["from"], at["to"])
    p = "< 1e-6" if event.p < 1e-6 else f"{event.p:.1g}"
    numbers = [figure(at["value"]), figure(at["expected"]), f"{at['severity']:.1f}", p]
    return [*own, at["from"], to, event.kind, f"{event.values:,}", *numbers]


def _until(first: str, last: str) -> str:
    """The end of an event: its time alone where that is on the same day, nothing where it is its beginning."""
    day, _, clock = last.partition(" ")
    return "" if first == last else clock if clock and first.startswith(f"{day} ") else last


def _facts(result: Detection, event: Event) -> dict[str, Any]:
    """An event by name; value, expected and severity are those of its most unusual value."""
    panel, v, c = result.panel, result.verdicts, event.target
    rows = [r for r in range(event.first, event.last + 1) if v.kind[r, c] > 0 and v.since[r, c] == event.first]
    row = min(rows, key=lambda r: float(v.p[r, c]))
    gap = float(panel.values[row, c] - v.expected[row, c])
    shift = int(panel.first[event.series] - panel.offsets[event.series])
    return {
        "series": panel.label(event.series), "target": panel.schema.target[c], "kind": event.kind,
        "from": panel.time(event.first + shift, event.series), "to": panel.time(event.last + shift, event.series),
        "values": event.values, "value": float(panel.values[row, c]), "expected": float(v.expected[row, c]),
        "severity": abs(gap) / float(v.above[row, c] if gap > 0 else v.below[row, c]), "p": event.p,
    }  # fmt: skip


def _counts(result: Detection) -> list[str]:
    shifts = sum(event.kind == "level shift" for event in result.events)
    kinds = f", {shifts:,} of them level shifts" if shifts else ""
    alarms = result.rate * result.judged
    count = f"{len(result.events):,} event{'s' if len(result.events) != 1 else ''}"
    said = [
        f"{result.found:,} of {result.judged:,} values are unusual, in {count}{kinds}",
        f"false alarms to be expected: {figure(alarms)} (--rate {result.rate:g} of each value)",
    ]
    if result.learned:
        said.append(f"{result.learned:,} values were not judged: the scale of errors was learned from them")
    if result.skipped:
        said.append(f"{result.skipped:,} values were not judged: too little lies before them")
    return said


def document(result: Detection) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "rate": result.rate, "judged": result.judged, "unusual": result.found, "learned": result.learned,
        "skipped": result.skipped, "expected_false_alarms": result.rate * result.judged,
        "events": [_facts(result, event) for event in result.events],
    }  # fmt: skip
