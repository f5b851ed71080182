"""What a terminal and a pipe are given: widths, colours, lines that are broken."""

from __future__ import annotations

import io
import os
import shlex
import subprocess

import pytest

from tsforge.runtime import tables, terminal

NAMES = ["linear", "seasonal-naive", "transformer-encoder-decoder", "drift", "naive", "theta"]


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(("given", "terminals", "pipes"), [
    ({}, True, False), ({"NO_COLOR": "1"}, False, False), ({"NO_COLOR": ""}, True, False),
    ({"FORCE_COLOR": "1"}, True, True), ({"FORCE_COLOR": "0"}, True, False), ({"TERM": "dumb"}, False, False),
    ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
])  # fmt: skip
def test_colours(given: dict[str, str], terminals: bool, pipes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: escape codes in a file, or for somebody who has asked for none."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for stream, colours in ((Terminal(), terminals), (io.StringIO(), pipes)):
        assert terminal.has_colours(stream) == colours
        assert (terminal.styled("x", terminal.BOLD, stream=stream) == "\x1b[1mx\x1b[0m") == colours


def test_a_pipe_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal.columns(io.StringIO()) is None
    assert terminal.columns(Terminal()) == 80  # which has no file to be asked
    monkeypatch.setenv("COLUMNS", "100")
    assert terminal.columns(io.StringIO()) == 100


@pytest.mark.parametrize("width", [40, 60, 80])
def test_prose_is_broken_between_words_alone(width: int) -> None:
    """Prevents: a word lost or cut at the end of a line, an address that cannot be copied."""
    url = "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"
    text = f"verdict gru is best: its mase is 12.1 % below that of {url} and of seasonal-naive, the next"
    lines = terminal.wrapped(text, width)
    assert " ".join(line.strip() for line in lines) == text
    assert all(len(line) <= width or line.strip() == url for line in lines)
    assert all(line.startswith(" " * 8) for line in lines[1:])
    assert terminal.wrapped(text, None) == [text]


@pytest.mark.parametrize("width", [40, 80])
def test_a_broken_command_is_the_same_command(width: int) -> None:
    """Prevents: a suggestion that does something else, or nothing, when all its lines are pasted."""
    words = [
        "tsforge",
        "fit",
        "my data.csv",
        "--target",
        "a b",
        "it's",
        "--horizon",
        "24",
        "--set",
        'x=["é"]',
        "--plot=p.png",
    ]
    lines = terminal.continued("next    " + shlex.join(words), width)
    assert len(lines) > 1
    assert max(map(len, lines)) <= width
    script = "\n".join(lines).replace("next    tsforge", "printf '%s\\n'", 1)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.splitlines() == words[1:]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_fits_and_nothing_is_lost(width: int) -> None:
    """Prevents: lines that a terminal breaks, a column under another one's name, a cell that is cut."""
    header = ["", *NAMES, "skill"]
    rows = [
        [m, *(f"{(i + 2) * (j + 3) / 7:,.4f}" for j in range(len(NAMES) + 1))] for i, m in enumerate(["mase", "mae"])
    ]
    lines = tables.fitted(header, rows, (0,), width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for row in rows:
        for cell in row:
            assert cell in text
    blocks = [block.splitlines() for block in "\n".join(lines).split("\n\n")]
    values = [cell for block in blocks for line in block if line.split()[:1] == ["mase"] for cell in line.split()[1:]]
    assert values == rows[0][1:]  # in order, over all blocks
    if width == 200:
        assert lines == tables.aligned(header, rows)


def test_texts_are_broken_before_a_table_falls_apart() -> None:
    rows = [["demand", "a long sentence about a column that has many words in it", "1.5"]]
    lines = tables.fitted(["name", "about", "value"], rows, (0, 1), 40)
    assert max(map(len, lines)) <= 40
    assert lines[0].split() == ["name", "about", "value"]
    assert "many words" in " ".join(" ".join(lines).split()).replace(" 1.5", "")


def test_only_the_best_cell_is_styled() -> None:
    lines = tables.fitted(["", "a"], [["x", tables.Best("1.0")], ["y", "1.0"]], (0,), 80, lambda cell, text: (
        text.replace(cell, f"<{cell}>") if isinstance(cell, tables.Best) else text
    ))  # fmt: skip
    assert lines == ["       a", "  x  <1.0>", "  y  1.0"]
