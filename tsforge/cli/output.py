"""What every command prints with: results on stdout as lines, tables or one JSON document, notes on stderr."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tsforge.cli.hints import translated
from tsforge.runtime import console, progress, tables, terminal, timing
from tsforge.runtime.numbers import duration, plain

if TYPE_CHECKING:
    from tsforge.cli.options import PlotOptions
    from tsforge.evaluation.judgement import Judgement
    from tsforge.tracking.journal import Run
    from tsforge.tracking.tracker import Tracker

STANDARD = "-"  # standard output, where a file could be named
_LINE: list[str] = []
_BEGAN: list[float] = []
_COMMAND = re.compile(r"\s*(?:[a-z]+ +)?tsforge [a-z]+( |$)")
_LABELS = {  # the label of a line on stderr, and its styles
    "error": (terminal.BOLD, terminal.RED), "hint": (terminal.CYAN,), "note": (terminal.YELLOW,),
}  # fmt: skip
_APART: list[bool] = [False]


class Written(NamedTuple):
    """Where results go. folder: of the model, where its name is that of a recorded one."""

    output: str | None
    picture: PlotOptions
    tracking_uri: str | None
    track: bool
    json: bool
    folder: str | None = None

    @property
    def plot(self) -> str | None:
        """The file of the picture."""
        return self.picture.plot


def start(argv: Sequence[str], began: float) -> None:
    """Remember the command line and the moment at which it began, on the clock of `time.perf_counter`."""
    _LINE[:] = ["tsforge", *argv]
    _BEGAN[:] = [began]
    _APART[:] = [False]


def started() -> float:
    """The moment at which the command began, on the clock of `time.perf_counter`."""
    return _BEGAN[0]


def measure(*, on: bool) -> None:
    """From now on measure where the time of the command goes, where that was asked for."""
    if on:
        timing.start(started())


def print_timings() -> None:
    """Print where the time of the command went, if that is measured."""
    if seconds := timing.stop():
        whole = sum(seconds.values())
        rows = [[name, f"{value:.2f}", f"{value / whole:.0%}"] for name, value in seconds.items()]
        echo()
        print_table(["time", "seconds", "share"], [*rows, ["whole command", f"{whole:.2f}", ""]])


def measured() -> dict[str, Any]:
    """Where the time of the command went, for its document; nothing where that is not measured."""
    seconds = timing.stop()
    return {"timings": {name: round(value, 3) for name, value in seconds.items()}} if seconds else {}


def command_line() -> str:
    """The command that runs, as it can be pasted into a shell."""
    return shlex.join(_LINE)


class _Notes(logging.Handler):
    """The library's warnings as "note:" lines on stderr, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = translated(record.getMessage(), _LINE[1])
        if text not in self.seen:
            self.seen[text] = None
            status(f"note: {text}")


def print_notes(*, quiet: bool) -> None:
    """From now on show the library's warnings on stderr; none of them where quiet."""
    logger = logging.getLogger("tsforge")
    logger.handlers = [logging.NullHandler() if quiet else _Notes()]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    progress.listen(None if quiet else _Work())


def notes() -> list[str]:
    """The notes that were shown since `print_notes`."""
    shown = [handler for handler in logging.getLogger("tsforge").handlers if isinstance(handler, _Notes)]
    return [text for handler in shown for text in handler.seen]


class _Work:
    """How far a long piece of work is: on a terminal one line that is written over, in a pipe a line now and then."""

    EVERY = 30.0  # seconds between lines in a pipe

    def __init__(self) -> None:
        self._work, self._began, self._shown = "", 0.0, 0.0

    def __call__(self, work: str, done: int, total: int) -> None:
        now, live = time.monotonic(), terminal.is_terminal(sys.stderr)
        if work != self._work:
            self._work, self._began, self._shown = work, now, now
        seconds = now - self._began
        if done < total and now - self._shown < (0.1 if live else self.EVERY):
            return
        self._shown = now
        left = f"  {duration((total - done) * seconds / done)} left" if 0 < done < total and seconds > 1 else ""
        text = f"{work}: {done:,} of {total:,}{left}"
        if live and done < total:
            console.hint(text)
        elif live:
            console.clear()
        elif done < total:
            status(text)


def echo(text: str = "", *styles: int) -> None:
    """Print a line of results on stdout; on a terminal over as many lines as it has columns for.

    On stderr where a table, or a page, goes to stdout alone. styles: of its first word.
    """
    if _APART[0]:
        status(text)
        return
    console.clear()
    width = terminal.columns(sys.stdout)
    lines = [part for line in text.split("\n") for part in _screened(line, width)]
    if styles:
        word = lines[0].split(maxsplit=1)[0]
        lines[0] = lines[0].replace(word, terminal.styled(word, *styles), 1)
    for line in lines:
        print(line, flush=True)


def print_text(text: str) -> None:
    """Print a file or a script as it stands, whatever the width."""
    console.clear()
    print(text.rstrip("\n"), flush=True)


def _screened(line: str, width: int | None) -> list[str]:
    """Lines that hold a line: a command is broken so that it can be pasted."""
    return (terminal.continued if _COMMAND.match(line) else terminal.wrapped)(line, width)


def colour(judgement: Judgement) -> tuple[int, ...]:
    """How the word verdict is shown: green where the model is best, red where it loses."""
    return terminal.BOLD, terminal.RED if judgement.loses else terminal.GREEN if judgement.wins else terminal.YELLOW


def print_verdict(judgement: Judgement, of: str = "") -> None:
    """Print the verdict. of: what it is about, in front."""
    from tsforge.api.verdict import sentence

    echo(f"verdict {of}{sentence(judgement)}", *colour(judgement))


def print_run(tracker: Tracker, run: Run) -> None:
    """Print the name of a run, and its address where somebody serves it; nothing where none is recorded."""
    if run.folder is None:
        return
    if page := tracker.page(run):
        echo(f"run     {run.name}  {page}")
    elif tracker.state(run).done:
        echo(f"run     {run.name}  (tsforge ui shows it)")
    else:
        echo(f"run     {run.name}  (on its way to MLflow; tsforge runs lists it once it is there)")


def status(text: str) -> None:
    """Print a line about what is going on, on stderr; nobody listening is no reason to stop."""
    with contextlib.suppress(OSError, ValueError):  # of a pipe, of a terminal that has gone, of a stream that is closed
        console.clear()
        width = terminal.columns(sys.stderr) if terminal.is_terminal(sys.stderr) else None
        label, colon, _ = text.partition(":")
        for i, line in enumerate(_screened(text, width)):
            if i == 0 and label in _LABELS and colon:
                line = terminal.styled(f"{label}:", *_LABELS[label], stream=sys.stderr) + line[len(label) + 1 :]
            print(line, file=sys.stderr, flush=True)


def print_error(message: str, hint: str) -> None:
    """Print what went wrong, and a hint if there is one, on stderr: a line each, but for a terminal's width."""
    for label, text in (("error", message), ("hint", hint)):
        if text:  # what is quoted keeps its blanks
            status(f"{label}: {' '.join(line.strip() for line in text.splitlines())}")


def print_json(value: Any) -> None:
    """Print exactly one JSON document on stdout; null stands for what is no finite number."""
    console.clear()
    print(json.dumps(plain(value), indent=2, ensure_ascii=False), flush=True)


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> list[str]:
    """Lines of a table as wide as stdout has columns, the best cells bold; columns in `left` stand on the left."""
    return tables.fitted(header, rows, left, terminal.columns(sys.stdout), _best)


def _best(cell: str, text: str) -> str:
    """A cell's text with its blanks, in bold where it is the best."""
    return text.replace(cell, terminal.styled(cell, terminal.BOLD)) if isinstance(cell, tables.Best) else text


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> None:
    """Print a table of columns, those in `left` aligned on the left, the others on the right."""
    console.clear()
    for line in grid(header, rows, left):
        print(line, file=sys.stderr if _APART[0] else sys.stdout, flush=True)


def check_targets(output: str | None, endings: tuple[str, ...], plot: str | None, read: Sequence[str | None]) -> None:
    """Raises ConfigError where a file to write has an impossible ending or is one to read: results spare the data.

    Where the output is standard output, all else is said on stderr from now on.
    """
    from tsforge.errors import ConfigError
    from tsforge.plotting.style import check_path
    from tsforge.runtime import files

    if output == STANDARD:
        if "--json" in _LINE:
            raise ConfigError("--json and --output - would both go to standard output", "leave out one of them")
        _APART[:] = [True]
        if isinstance(sys.stdout, io.TextIOWrapper):  # as in a file, whatever the locale
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    elif output is not None:
        files.check_path(Path(output), endings)
    if plot is not None:
        check_path(Path(plot))
    sources = {Path(name).resolve() for name in read if name is not None}
    for name in (output, plot):
        if name not in (None, STANDARD) and Path(str(name)).resolve() in sources:
            raise ConfigError(f"{name} is the file that is read", "name another file for the output")
