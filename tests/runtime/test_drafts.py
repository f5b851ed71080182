"""Folders written in one move: what is killed at any moment leaves the old one or the new one, and nothing for ever."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tsforge.runtime import drafts


def fill(folder: Path, content: str) -> None:
    (folder / "content").write_text(content)


def write(folder: Path, content: str) -> None:
    with drafts.beside(folder) as draft:
        fill(draft, content)
        drafts.put(draft, folder)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_while_writing(folder: Path) -> None:
    """A process that ends by SIGKILL while it holds a draft of `folder`."""
    code = f"""
import os, pathlib
from tsforge.runtime import drafts
with drafts.beside(pathlib.Path({str(folder)!r})) as draft:
    (draft / "content").write_text("half")
    os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL


def test_a_new_folder_and_its_replacement(tmp_path: Path) -> None:
    """A mixture of two contents, or hidden folders that stay."""
    for content in ("first", "second", "third"):
        write(tmp_path / "m", content)
        assert (tmp_path / "m" / "content").read_text() == content
        assert names(tmp_path) == ["m"]


def test_without_an_exchange_in_one_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems without renameat2, on which nothing would be replaced."""
    monkeypatch.setattr(drafts, "_exchange", lambda *_: False)
    for content in ("first", "second", "third"):
        write(tmp_path / "m", content)
        assert (tmp_path / "m" / "content").read_text() == content
        assert names(tmp_path) == ["m"]


def test_an_empty_folder_is_a_place(tmp_path: Path) -> None:
    """Refused, or moved into, because it exists."""
    (tmp_path / "m").mkdir()
    write(tmp_path / "m", "new")
    assert names(tmp_path / "m") == ["content"]


@pytest.mark.parametrize("name", ["m", "a model", "m.v2", ".hidden", "m[1]*"])
def test_what_the_dead_left_goes_with_the_next_write(tmp_path: Path, name: str) -> None:
    """Hidden folders that stay beside a model for ever."""
    killed_while_writing(tmp_path / name)
    assert names(tmp_path) != [name]
    write(tmp_path / name, "new")
    assert names(tmp_path) == [name]


def test_what_the_living_hold_stays(tmp_path: Path) -> None:
    """The draft of another process removed while it is written."""
    folder = tmp_path / "m"
    with drafts.beside(folder) as other:
        fill(other, "of the other")
        process = multiprocessing.get_context("fork").Process(target=write, args=(folder, "mine"))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert (folder / "content").read_text() == "mine"
        assert (other / "content").read_text() == "of the other"
        drafts.put(other, folder)
    assert (folder / "content").read_text() == "of the other"
    assert names(tmp_path) == ["m"]


@pytest.mark.parametrize("other", [".m.abcdefgh", ".m.old", ".m.settings", "m.tsforge-x", ".n.tsforge-abcdefgh", ".m"])
def test_what_belongs_to_others_stays(tmp_path: Path, other: str) -> None:
    """A hidden folder of the user's that is taken for ours."""
    (tmp_path / other).mkdir()
    fill(tmp_path / other, "the user's")
    write(tmp_path / "m", "new")
    assert names(tmp_path) == sorted(["m", other])


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link with the name of a draft, by which a folder elsewhere would be emptied."""
    (tmp_path / "elsewhere").mkdir()
    fill(tmp_path / "elsewhere", "kept")
    (tmp_path / ".m.tsforge-link").symlink_to(tmp_path / "elsewhere")
    write(tmp_path / "m", "new")
    assert (tmp_path / "elsewhere" / "content").read_text() == "kept"


def test_a_folder_moved_away_comes_back(tmp_path: Path) -> None:
    """Killed between two moves, where a system has no exchange: neither the old one nor the new one."""
    code = f"""
import os, pathlib
from tsforge.runtime import drafts
drafts._exchange = lambda *_: False
folder = pathlib.Path({str(tmp_path / "m")!r})
move = pathlib.Path.rename
def once(path, to):
    if path.name == "new" and folder.parent == to.parent and os.environ.get("KILLED"):
        os.kill(os.getpid(), {int(signal.SIGKILL)})
    return move(path, to)
pathlib.Path.rename = once
with drafts.beside(folder) as draft:
    (draft / "content").write_text(os.environ.get("KILLED", "old"))
    drafts.put(draft, folder)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    process = subprocess.run([sys.executable, "-c", code], env=os.environ | {"KILLED": "new"})
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "m").exists()
    drafts.clear(tmp_path / "m")
    assert (tmp_path / "m" / "content").read_text() == "old"
    assert names(tmp_path) == ["m"]


def test_many_writers_at_once(tmp_path: Path) -> None:
    """Two that clear and write at the same time: a draft removed under its owner, or a folder left over."""
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_several, args=(tmp_path / "m", str(i))) for i in range(4)]
    for writer in writers:
        writer.start()
    end = time.monotonic() + 120
    for writer in writers:
        writer.join(max(0.0, end - time.monotonic()))
        assert writer.exitcode == 0
    assert names(tmp_path) == ["m"]
    assert names(tmp_path / "m") == ["content"]


def _several(folder: Path, content: str) -> None:
    for _ in range(30):
        write(folder, content)
