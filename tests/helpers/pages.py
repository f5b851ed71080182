"""Pages as a reader follows them: their commands and snippets in order, in one folder, and what is printed.

python -m tests.helpers.pages writes what the commands of docs/tutorial/ and docs/how-to/ print now into these pages.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from tsforge.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DATA = ROOT / "datasets" / "electricity-demand.csv"  # what data.csv is on every page
FENCE = re.compile(r"^( *)```(.*?)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
ROWS = 35 * 48  # of the table that commands are run on, its last ones: enough for all of them, and quick
QUICK = ["--max-steps", "3"]  # what a fit needs to be quick enough for a test
FEW = ["--trials", "2", "--refit", "1", "--seeds", "1", "--context", "48", "--space", "model.width=8"]  # and a sweep
FASTER = [(r'"train.max_steps": \d+', '"train.max_steps": 3'), (r", ablate=True", ""), (r"samples=500", "samples=50")]
UNSTARTED = ("serve", "ui", "export", "mcp")  # until they are stopped, or slowly; tests of their own do that
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?")
UNSTEADY = re.compile(r"\d\d:\d\d|\bs\b")  # lines with seconds or clocks
RUN = re.compile(r"^run +\S+-[0-9a-f]{4} .*(?:\n {8}\S.*)*", re.MULTILINE)  # and whether it has arrived
MOVING = ("step ", "... ", "note: tsforge keeps its own files")  # lines of progress, and one that is said once
NEAR = 0.05  # relative: by how much a printed number may differ from machine to machine


class Block(NamedTuple):
    """A block of code: what it is of, its text, and, if that stands below it, what is printed, and where."""

    kind: str
    text: str
    printed: str | None = None
    place: tuple[int, int] = (0, 0)  # of what is printed


def pages() -> list[Path]:
    """Every page of docs/, in its folders too."""
    return sorted(DOCS.rglob("*.md"))


def shows_output(page: Path) -> bool:
    """Whether a block of text below one of commands is what they print."""
    return page.is_relative_to(DOCS / "tutorial") or page.is_relative_to(DOCS / "how-to")


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order; of commands with what is printed where that stands below them."""
    text = page.read_text(encoding="utf-8")
    fences = list(FENCE.finditer(text))
    found = []
    for fence, after in zip_longest(fences, fences[1:]):
        inside = re.sub(rf"^{fence[1]}", "", fence[3], flags=re.MULTILINE)
        below = after if after and after[2] == "text" and not text[fence.end() : after.start()].strip() else None
        if fence[2] == "sh" and below and shows_output(page):
            found.append(Block("sh", inside, below[3], below.span(3)))
        else:
            found.append(Block(fence[2], inside))
    return found


def commands(page: Path) -> list[str]:
    """The lines of a page's sh blocks that call tsforge."""
    return [line for block in blocks(page) if block.kind == "sh" for line in called("sh", block.text)]


def called(kind: str, text: str) -> list[str]:
    """The commands of a block: of a console those behind the prompt, above what they printed when it was measured."""
    lines = [line.split("  #")[0].strip() for line in text.replace("\\\n", " ").splitlines()]
    lines = [line[2:] for line in lines if line.startswith("$ ")] if kind == "console" else lines
    return [line for line in lines if line.startswith("tsforge ")]


def snippets(page: Path) -> list[str]:
    """The Python of a page that is for tsforge; that of other libraries has a title."""
    return [block.text for block in blocks(page) if block.kind == "python"]


def table(rows: int | None = ROWS) -> None:
    """data.csv, in the folder where we are; its last rows, or all."""
    header, *lines = DATA.read_text(encoding="utf-8").splitlines()
    Path("data.csv").write_text("\n".join([header, *lines[-rows if rows else None :], ""]), encoding="utf-8")


def quicker(text: str) -> str:
    """Python of a page, with few steps and paths."""
    for slow, quick in FASTER:
        text = re.sub(slow, quick, text)
    return text


def shortened(argv: list[str]) -> list[str] | None:
    """A command with few steps; None for one that is not to be run here."""
    if argv[0] in UNSTARTED or "--resume" in argv or any("etth1" in word for word in argv):
        return None
    argv = list(argv)
    if argv[0] == "sweep":
        argv += FEW
    if argv[0] == "pretrain":  # in hours
        hours = argv.index("--hours")
        argv[hours : hours + 2] = ["--steps", "2", "--set", "train.series=8"]
        argv = [str(ROOT / word) if word.startswith("pipelines/") else word for word in argv]
    if "--max-steps" in argv:
        argv[argv.index("--max-steps") + 1] = QUICK[1]
    elif argv[0] in ("fit", "sweep") or (argv[0] == "backtest" and "--model" in argv):
        argv += QUICK
    if argv[0] == "compare":
        if argv[1].startswith("pipelines/"):  # a test of its own does that
            return None
        argv += ["--quick", "--no-probes", *QUICK]
    return [*argv, *_untracked(argv)]


def _untracked(argv: list[str]) -> list[str]:
    return ["--no-track"] if argv[0] in ("fit", "backtest", "compare", "sweep") and "--register" not in argv else []


def follow(page: Path, names: dict[str, Any]) -> Iterator[tuple[Block, str]]:
    """Do what a page says, block by block, in the folder where we are; blocks whose output is shown, with what came.

    names: what its Python knows at first. Commands whose output is not shown are shortened; runs are recorded where the
    page looks at them.
    Raises AssertionError where one ends otherwise than the page says, and whatever a snippet raises.
    """
    tracked = any(command.startswith("tsforge runs") for command in commands(page))
    for block in blocks(page):
        if block.kind == "python":
            exec(compile(quicker(block.text), page.name, "exec"), names)
        elif block.kind == "sh":
            came = "".join(_done(line, block.printed is not None, tracked) for line in _lines(block))
            if block.printed is not None:
                yield block, came


def differences(shown: str, came: str) -> list[str]:
    """Lines that are not what they were, but for seconds, names that chance gives, and the last digits."""
    here, there = (
        [line for line in re.sub(RUN, "run", text).splitlines() if not line.startswith(MOVING)]
        for text in (shown, came)
    )
    found = [f"- {a}\n+ {b}" for a, b in zip(here, there, strict=False) if not _alike(a, b)]
    return found + [f"- {a}" for a in here[len(there) :]] + [f"+ {b}" for b in there[len(here) :]]


def _alike(a: str, b: str) -> bool:
    a, b = (re.sub(r"(-|^ +)[0-9a-f]{4}\b", "-0000", line) for line in (a, b))
    one, other = (re.sub(r"\s+", " ", NUMBER.sub("#", line)).strip() for line in (a, b))
    if one != other:
        return False
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    values = [(float(x.replace(",", "")), float(y.replace(",", ""))) for x, y in pairs]
    return bool(UNSTEADY.search(a)) or all(abs(x - y) <= NEAR * max(abs(x), abs(y)) + 0.02 for x, y in values)


def _lines(block: Block) -> list[str]:
    return [line for line in block.text.replace("\\\n", " ").splitlines() if line.strip()]


def _done(line: str, as_shown: bool, tracked: bool) -> str:
    """Run a line; what it prints."""
    command, _, comment = line.partition("  #")
    if not command.startswith("tsforge "):
        command = re.sub(r"\$\(tsforge data path ([\w-]+)\)", rf"{ROOT}/datasets/\1.csv", command)
        return subprocess.run(["bash", "-ec", command], check=True, capture_output=True, text=True).stdout
    argv = shlex.split(command)[1:]
    asked = [*argv, *([] if tracked else _untracked(argv))] if as_shown else shortened(argv)
    if asked is None:
        return ""
    if asked[0] == "runs":  # what is on its way arrives first
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            run(["runs", "sync"])
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(out):
        code = run(asked)
    expected = (
        (2,) if "an error" in comment else (0, 3, 4) if argv[0] == "update" else (0,)
    )  # of few steps, the old one may stay
    assert code in expected, f"{command}\n{out.getvalue()}"
    return out.getvalue().replace(" --no-track", "")  # in what is suggested next


def main() -> None:
    """Write the outputs of the pages named, or of all, as they are printed now."""
    os.environ["COLUMNS"] = "80"
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    for page in [DOCS / name for name in sys.argv[1:]] or pages():
        text = page.read_text(encoding="utf-8")
        if not any(block.printed is not None for block in blocks(page)):
            continue
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            table()
            for block, came in reversed(list(follow(page, {}))):
                kept = "".join(f"{line}\n" for line in came.rstrip().splitlines() if line[:4] != "... ")
                text = text[: block.place[0]] + kept + text[block.place[1] :]
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
