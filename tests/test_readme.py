"""What the README tells people to type must work."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tsforge.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK = ["--max-steps", "3"]  # what a fit needs to be quick enough for a test
FEW = ["--trials", "2", "--refit", "1", "--seeds", "1", "--context", "48", "--space", "model.width=8"]  # and a sweep


def commands() -> list[str]:
    """The lines of the README's sh blocks that call tsforge."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("tsforge ")]


def test_readme_shows_make_demo_and_make_test_first() -> None:
    first = re.search(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    assert first is not None
    assert re.findall(r"^make \w+", first.group(1), flags=re.MULTILINE)[:2] == ["make demo", "make test"]


def test_readme_pictures_exist() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture


def test_readme_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in a fresh folder, as a reader would."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "datasets" / "electricity-demand.csv", tmp_path / "data.csv")
    found = commands()
    assert len(found) >= 3
    for command in found:
        argv = shlex.split(command)[1:]
        if any("etth1" in word for word in argv):  # not shipped
            continue
        if argv[0] in ("serve", "ui"):  # until they are stopped; tests of their own do that
            continue
        if argv[0] == "sweep":
            argv += FEW
        if argv[0] in ("fit", "sweep") or (argv[0] == "backtest" and "--model" in argv):
            argv += QUICK
        if argv[0] == "compare":
            if argv[1].startswith("pipelines/"):  # a test of its own does that
                continue
            argv += ["--quick", "--no-probes"]
        if argv[0] in ("fit", "backtest", "compare", "sweep") and "--register" not in argv:
            argv.append("--no-track")
        assert run(argv) == 0, command
