"""The sign that a command is at work: on a terminal it moves, in a pipe it is a line at first and now and then."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tsforge.runtime import console, processes, progress, terminal

FIRST = {  # what commands that may take long begin with
    "inspect": "reading {}", "fit": "reading {}", "predict": "loading {}", "future": "loading {}",
    "detect": "loading {}", "explain": "loading {}", "export": "loading {}", "update": "loading {}",
    "report": "loading {}", "backtest": "reading {}", "sweep": "reading {}", "compare": "reading {}",
    "runs": "asking MLflow", "ui": "asking MLflow", "doctor": "trying a small fit", "data": "looking at data sets",
    "init": "reading {}", "pretrain": "drawing series", "serve": "loading {}", "settings": "loading the settings",
    "models": "loading the list", "metrics": "loading the list",
}  # fmt: skip
WORDS = {  # of a stage, where its name says too little
    "reading": "reading the table", "listing": "listing files", "preparing": "preparing windows",
    "loading": "loading the model", "training": "training", "validation": "validating",
    "calibration": "calibrating intervals", "baselines": "forecasting by baselines", "scoring": "scoring",
    "forecasting": "forecasting", "sampling": "drawing sample paths", "detection": "judging values",
    "exporting": "exporting", "partitions": "forecasting files", "checking": "checking files", "saving": "saving",
    "pictures": "drawing a picture", "delivery": "bringing the run to MLflow",
}  # fmt: skip

_running: list[console.Pulse] = []


def start(argv: Sequence[str]) -> None:
    """Begin for a command that may take long; one that is to be quiet gets none, nor do processes beside the first."""
    stop()
    if argv[0] not in FIRST or processes.rank() > 0 or "--quiet" in argv or "-h" in argv or "--help" in argv:
        return
    progress.restart(_first(argv))
    pulse = console.Pulse(_phase, None if terminal.is_terminal(sys.stderr) else _say)
    _running[:] = [pulse]
    pulse.start()


def _first(argv: Sequence[str]) -> str:
    """What a command begins with, with the table or model that it names."""
    command, *named = (word for word in argv if not word.startswith("-"))
    if command == "data" and named[:1] == ["get"]:
        return "fetching " + " ".join(named[1:2])
    return FIRST[command].format(*named[:1]) if named or "{}" not in FIRST[command] else "starting"


def stop() -> None:
    """End it, where one is on; what is printed afterwards stands alone."""
    while _running:
        _running.pop().stop()


def _phase() -> tuple[str, float]:
    name, seconds = progress.phase()
    return WORDS.get(name, name), seconds


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
    console.clear()
