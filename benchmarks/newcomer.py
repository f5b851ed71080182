"""Someone who has never seen tsforge, and types only what it suggests: from a CSV to a report, in shell and Python.

    python benchmarks/newcomer.py FOLDER [--only NAME ...] [--into newcomer]

FOLDER holds CSV files that nobody prepared. Of each a copy goes into a folder of its own, in which `tsforge inspect`
is typed, and then whatever stands behind "next" and "then" in the answer, until a report lies there. In Python the
same: the line that `tsforge.inspect` shows as the next, and nine more. What was typed and answered is kept (shell.txt,
python.txt) beside the pictures and reports, to be looked at. Columns: commands that were typed; seconds of all; MASE
and skill of the last fit on the held-out end; share of its truths within the 80 % interval. Exits with 1 where
somebody was stuck.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

MOST = 9  # commands until a newcomer gives up
ENOUGH = 900.0  # seconds for one of them
SUGGESTED = re.compile(r"^(next|then)\s+(tsforge .+)$", flags=re.MULTILINE)
CALL = re.compile(r"^next\s+tsforge\.(\w+)\(table, (.+)\)$", flags=re.MULTILINE)
TEN_LINES = """\
import tsforge
table = {table!r}
print(tsforge.inspect(table{inspected}))
fitted = tsforge.fit(table, {fitted})
print(fitted.summary())
fitted.plot("held-out.png")
forecast = fitted.predict()
forecast.plot("forecast.png")
forecast.frame.to_csv("forecast.csv", index=False)
fitted.report("report.html")
"""


class Walk(NamedTuple):
    """How far somebody came. stuck: what they read last, where that was an error."""

    commands: int
    seconds: float
    scores: dict[str, str]
    stuck: str | None


def in_the_shell(table: Path) -> Walk:
    """Type what is suggested, in the folder of the table, until a report is there."""
    pending = [shlex.join(["tsforge", "inspect", table.name])]
    kept, began, scores, typed = [], time.perf_counter(), dict[str, str](), 0
    while pending and typed < MOST:
        command = pending.pop(0)
        answer = run([sys.executable, "-m", "tsforge", *shlex.split(command)[1:]], table.parent)
        typed += 1
        kept.append(f"$ {command}\n{answer.stdout}{answer.stderr}")
        (table.parent / "shell.txt").write_text("\n".join(kept), encoding="utf-8")
        scores |= scored(answer.stdout)
        suggested = [line for _, line in SUGGESTED.findall(re.sub(r"\\\n\s+", "", answer.stdout))]
        pending = suggested or pending
        if answer.returncode and not suggested:
            return Walk(typed, time.perf_counter() - began, scores, answer.stderr.strip())
    stuck = None if (table.parent / "report.html").exists() else f"no report after: {command}"
    return Walk(typed, time.perf_counter() - began, scores, stuck)


def in_python(table: Path) -> Walk:
    """Ten lines, of which the fourth is what the third shows; a look more where that is suggested."""
    began, inspected, said = time.perf_counter(), "", ""
    for looks in range(1, MOST):
        look = f"import tsforge; print(tsforge.inspect({table.name!r}{inspected}))"
        said = run([sys.executable, "-c", look], table.parent).stdout
        call = CALL.search(said)
        if call is None:
            return Walk(looks, time.perf_counter() - began, {}, said)
        if call[1] == "fit":
            code = TEN_LINES.format(table=table.name, inspected=inspected, fitted=call[2])
            (table.parent / "ten_lines.py").write_text(code, encoding="utf-8")
            answer = run([sys.executable, "ten_lines.py"], table.parent)
            (table.parent / "python.txt").write_text(answer.stdout + answer.stderr, encoding="utf-8")
            stuck = answer.stderr.strip() if answer.returncode else None
            return Walk(looks + 1, time.perf_counter() - began, scored(answer.stdout), stuck)
        inspected = f", {call[2]}"
    return Walk(MOST, time.perf_counter() - began, {}, f"still asked: {said}")


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "80", "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, timeout=ENOUGH, check=False
    )


def scored(text: str) -> dict[str, str]:
    """The scores of a model as a table of them shows: the first column, and its skill behind MASE."""
    found = {}
    for name in ("mase", "coverage_80"):
        row = re.search(rf"^\s*{name}\s+(\S+)(.*)$", text, flags=re.MULTILINE)
        if row:
            found[name] = row[1]
            skill = re.search(r"([+-−][\d.,]+ %)\s*$", row[2])
            found |= {"skill": skill[1]} if skill else {}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="files, without .csv")
    parser.add_argument("--into", type=Path, default=Path("newcomer"))
    asked = parser.parse_args()
    print("| table | in | commands | seconds | MASE | skill | 80 % covers |\n|---|---|--:|--:|--:|--:|--:|")
    stuck = []
    for file in sorted(asked.folder.glob("*.csv")):
        if asked.only and file.stem not in asked.only:
            continue
        for where, walk in (("shell", in_the_shell), ("python", in_python)):
            place = asked.into / file.stem / where
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            came = walk(Path(shutil.copy(file, place)))
            cells = [came.scores.get(name, "") for name in ("mase", "skill", "coverage_80")]
            print(f"| {file.name} | {where} | {came.commands} | {came.seconds:.0f} | {' | '.join(cells)} |", flush=True)
            stuck += [f"{file.name}, {where}: {came.stuck}"] if came.stuck is not None else []
    print("", *stuck, sep="\n")
    return 1 if stuck else 0


if __name__ == "__main__":
    sys.exit(main())
