"""What every command prints with: notes on stderr, one progress line, tables, one JSON document."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tsforge.cli.hints import translated

if TYPE_CHECKING:
    from tsforge.tracking.journal import Run
    from tsforge.tracking.tracker import Tracker

_LINE: list[str] = []
_BEGAN: list[float] = []


def remember(argv: Sequence[str], began: float) -> None:
    """The command line, for what is made by it, and when it began, on the clock of `time.perf_counter`."""
    _LINE[:] = ["tsforge", *argv]
    _BEGAN[:] = [began]


def began() -> float:
    """When the command began."""
    return _BEGAN[0]


def command() -> str:
    """The command line that runs, as it can be pasted."""
    return shlex.join(_LINE)


class _Notes(logging.Handler):
    """The library's warnings as "note:" lines on stderr, each once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = translated(record.getMessage(), _LINE[1])
        if text not in self._seen:
            self._seen.add(text)
            tell(f"note: {text}")


def notes(*, quiet: bool) -> None:
    """Show the library's notes on stderr, or none of them."""
    logger = logging.getLogger("tsforge")
    logger.handlers = [logging.NullHandler() if quiet else _Notes()]
    logger.propagate = False
    logger.setLevel(logging.INFO)


def say(text: str = "") -> None:
    """A line of result, on stdout."""
    print(text, flush=True)


def where(tracker: Tracker, run: Run) -> None:
    """A line with a run's name and address; none where nothing is recorded."""
    from tsforge.tracking import view

    link = tracker.link(run)
    if link is not None:
        say(f"run     {run.name}  {link}{view.how_to_open(tracker.uri)}")


def tell(text: str) -> None:
    """A line about what is going on, on stderr; nobody listening is no reason to stop."""
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)


def document(value: Any) -> None:
    """Exactly one JSON document on stdout; what is not a number is null."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False), flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> None:
    """Print aligned columns."""
    for line in aligned(header, rows, left):
        say(line)


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> list[str]:
    """Lines of columns: those in `left` to the left, the others to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[j]) for line in lines) for j in range(len(header))]
    cells = [
        [c.ljust(w) if j in left else c.rjust(w) for j, (c, w) in enumerate(zip(line, widths, strict=True))]
        for line in lines
    ]
    return ["  " + "  ".join(line).rstrip() for line in cells]


def keep(written: Sequence[str | None], read: Sequence[str | None]) -> None:
    """Raises ConfigError where a file to write is one to read: results must not replace the data."""
    from pathlib import Path

    from tsforge.errors import ConfigError

    sources = {Path(name).resolve() for name in read if name is not None}
    for name in written:
        if name is not None and Path(name).resolve() in sources:
            raise ConfigError(f"{name} is the file that is read", "name another file for the output")


def levels(text: str | None) -> list[float] | None:
    """Quantile levels as typed, "0.1,0.5,0.9"; None where nothing was. Raises ConfigError for what is no number."""
    from tsforge.errors import ConfigError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ConfigError(f"--quantiles {text}: not all of these are numbers", "as 0.1,0.5,0.9") from None


def number(value: float) -> str:
    """Four significant digits; "-" where there is none."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def score_rows(scores: dict[str, dict[str, float]], reference: str) -> list[list[str]]:
    """Scores by model and metric as rows: a metric, its value for each model, the first one's skill."""
    from tsforge.evaluation.metrics import lower_is_better
    from tsforge.evaluation.scores import skill

    first, *_ = scores
    rows = []
    for name, value in scores[first].items():
        better = skill(value, scores[reference][name]) if lower_is_better(name) else math.nan
        percent = f"{better:+.1f} %" if math.isfinite(better) else ""
        rows.append([name, *(number(found[name]) for found in scores.values()), percent])
    return rows


def duration(seconds: float) -> str:
    """As "42 s", "3:05 min" or "1:02 h"."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02d} min" if whole < 5400 else f"{whole // 3600}:{whole // 60 % 60:02d} h"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
