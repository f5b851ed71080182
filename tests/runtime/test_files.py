"""Files written in one move: drafts of killed processes go, those of living ones stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tsforge.runtime import files


def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("name", ["forecast.csv", "a b.parquet", "x", "m.1.json"])
def test_drafts_of_the_dead_go(tmp_path: Path, name: str) -> None:
    """Hidden files that stay beside a forecast for ever."""
    (tmp_path / f".{name}.{dead()}").write_text("half")
    files.write(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("other", [
    f".f.csv.{os.getppid()}", ".f.csv.1", ".f.csv.x", ".f.csv.", "f.csv.999999", ".g.csv.999999", ".f.csv.old.999999",
])  # fmt: skip
def test_what_belongs_to_others_stays(tmp_path: Path, other: str) -> None:
    """The draft of a process that lives, or a file of the user's."""
    (tmp_path / other).write_text("another's")
    files.write(tmp_path / "f.csv", "whole")
    assert (tmp_path / other).read_text() == "another's"


def test_a_folder_of_that_name_stays(tmp_path: Path) -> None:
    """A folder taken for a draft."""
    (tmp_path / f".f.csv.{dead()}").mkdir()
    files.write(tmp_path / "f.csv", "whole")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("before", ["the old one", None])
@pytest.mark.parametrize("problem", [OSError, KeyboardInterrupt, MemoryError])
def test_what_breaks_off_leaves_the_old_file(tmp_path: Path, before: str | None, problem: type[BaseException]) -> None:
    """Prevents: half a file, or an empty one, in the place of a whole one."""
    path = tmp_path / "forecast.csv"
    if before is not None:
        path.write_text(before)

    def break_off() -> None:
        with files.replacing(path) as draft:
            draft.write_text("half of")
            assert (path.read_text() if path.exists() else None) == before
            raise problem

    with pytest.raises(problem):
        break_off()
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ([before] if before is not None else [])
