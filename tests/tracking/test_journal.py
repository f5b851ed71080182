"""A journal keeps all that is written of a run, whatever happens to its writer."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.helpers.stores import environment
from tsforge.tracking import journal
from tsforge.tracking.journal import Run

WRITER = """
import sys, tsforge
from pathlib import Path
from tsforge.tracking import journal
run = journal.begin(Path(sys.argv[1]), "other", {"uri": "nowhere"})
run.params({"a": 1})
print(run.folder, flush=True)
sys.stdin.readline()
run.end("FINISHED")
"""


def events(folder: Path | None) -> list[dict[str, Any]]:
    assert folder is not None
    return [json.loads(line) for line in (folder / journal.LINES).read_text(encoding="utf-8").splitlines()]


def begin(tmp_path: Path, name: str = "run") -> Run:
    return journal.begin(tmp_path / ".tsforge" / "runs", name, {"uri": "sqlite:///x.db", "experiment": "e", "tags": {}})


def test_everything_said_is_a_line_in_order(tmp_path: Path) -> None:
    """Prevents: something that is written of a run and lost before it is delivered."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"w")
    (tmp_path / "picture.png").write_bytes(b"p")
    run = begin(tmp_path)
    assert run.folder is not None
    run.params({"train.lr": 0.1, "data.past": ("a", "b"), "data.id": (), "name": "größe"})
    run.tags({"note": "Zeile 1\nZeile 2 – ✓"})
    run.dataset({"name": "d", "digest": "0", "source": "s", "schema": "{}", "profile": "{}"})
    run.metrics({"val/loss": 0.5}, 10, at=12.3456)
    run.file(tmp_path / "picture.png", "plots")
    run.text("experiment.toml", "a = 1\n")
    run.model(tmp_path / "model", "shop", "champion")
    run.metrics({"test/mae": 1.0}, of_model=True)
    run.end("FAILED", "ValueError: no")
    start, *rest = events(run.folder)
    assert start["start"]["name"] == run.name == run.folder.name
    assert re.fullmatch("[0-9a-f]{32}", start["start"]["journal"])
    params, tags, data, metrics, picture, text, model, of_model, end = rest
    assert params["params"] == {"train.lr": "0.1", "data.past": "a, b", "name": "größe"}
    assert tags["tags"] == {"note": "Zeile 1\nZeile 2 – ✓"}
    assert data["dataset"]["name"] == "d"
    assert (metrics["metrics"], metrics["step"], metrics["at"]) == ({"val/loss": 0.5}, 10, 12346)
    assert (run.folder / picture["file"]).read_bytes() == b"p"
    assert (Path(picture["file"]).name, picture["to"]) == ("picture.png", "plots")
    assert (run.folder / text["file"]).read_text() == "a = 1\n"
    assert (run.folder / model["model"] / "weights").read_bytes() == b"w"
    assert (model["register"], model["alias"]) == ("shop", "champion")
    assert (metrics["of_model"], of_model["of_model"]) == (False, True)
    assert (end["end"], end["reason"]) == ("FAILED", "ValueError: no")
    assert [e["at"] for e in (start, params, tags)] == sorted(e["at"] for e in (start, params, tags))


def test_the_first_end_counts(tmp_path: Path) -> None:
    """Prevents: an interrupted run that is called finished by the block around it."""
    run = begin(tmp_path)
    run.end("KILLED", "Ctrl-C")
    run.end("FINISHED")
    assert [e["end"] for e in events(run.folder) if "end" in e] == ["KILLED"]


def test_every_run_has_a_folder_of_its_own_however_many_begin_at_once(tmp_path: Path) -> None:
    """Prevents: two runs of one name in one folder, their lines mixed."""
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: begin(tmp_path, "same"), range(40)))
    assert len({run.name for run in runs}) == 40
    assert all(run.name.startswith("same-") for run in runs)
    assert len({events(run.folder)[0]["start"]["journal"] for run in runs}) == 40
    assert set(journal.waiting(tmp_path / ".tsforge" / "runs")) == {run.folder for run in runs}


def test_git_does_not_see_journals(tmp_path: Path) -> None:
    """Prevents: a password in an address, committed with everything else."""
    run = begin(tmp_path)
    assert run.folder is not None
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    command = ["git", "-C", tmp_path, "status", "--porcelain"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
    assert run.folder.stat().st_mode & 0o077 == 0


def test_copies_stay_as_they_were(tmp_path: Path) -> None:
    """Prevents: a delivery hours later that sends what a file has become, or another file of the same name."""
    source, model = tmp_path / "scores.json", tmp_path / "model"
    model.mkdir()
    source.write_text("first")
    (model / "weights").write_text("first")
    run = begin(tmp_path)
    assert run.folder is not None
    for word in ("first", "second"):
        source.write_text(word)
        (model / "weights").write_text(word)
        run.file(source, word)
        run.model(model)
        run.text("scores.json", f"text {word}")
    source.unlink()
    (model / "weights").unlink()
    files = [(run.folder / e["file"]).read_text() for e in events(run.folder) if "file" in e]
    assert files == ["first", "text first", "second", "text second"]
    models = [(run.folder / e["model"] / "weights").read_text() for e in events(run.folder) if "model" in e]
    assert models == ["first", "second"]


def test_a_silent_run_touches_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    """Prevents: --no-track that leaves traces, or a caller that must ask whether there is a tracker."""
    monkeypatch.chdir(tmp_path)
    run = Run(None)
    run.params({"a": 1})
    run.tags({"a": "b"})
    run.dataset({})
    run.metrics({"a": 1.0}, 1)
    run.file(Path("nowhere"))
    run.text("a", "b")
    run.model(Path("nowhere"))
    run.end("FINISHED")
    assert list(tmp_path.iterdir()) == []
    assert run.name == ""


def test_a_half_written_last_line_is_dropped_and_the_rest_closed(tmp_path: Path) -> None:
    """Prevents: a run of a process that was killed while it wrote, which nobody can deliver."""
    run = begin(tmp_path)
    run.params({"a": 1})
    assert run.folder is not None
    folder = run.folder
    path = folder / journal.LINES
    del run  # its lock goes with it, as with a process
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"at": 1, "metrics": {"val/l')
    assert journal.close(folder, "died")
    assert path.read_bytes().startswith(whole)
    last = events(folder)[-1]
    assert (last["end"], last["reason"]) == ("KILLED", "died")
    assert last["at"] <= path.stat().st_mtime * 1000 + 1
    before = path.read_bytes()
    assert journal.close(folder, "again")
    assert path.read_bytes() == before


def test_a_journal_without_a_whole_line_is_left(tmp_path: Path) -> None:
    """Prevents: a run that ended before it began."""
    path = tmp_path / "run" / journal.LINES
    path.parent.mkdir()
    path.write_bytes(b'{"at": 1, "sta')
    assert journal.close(path.parent, "died")
    assert path.read_bytes() == b'{"at": 1, "sta'


def test_a_journal_that_another_process_writes_is_not_closed(tmp_path: Path) -> None:
    """Prevents: `runs sync` that ends the runs of a training that is still going on."""
    command, pipe = [sys.executable, "-c", WRITER, str(tmp_path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()) as writer:
        assert writer.stdout is not None
        folder = Path(writer.stdout.readline().strip())
        before = (folder / journal.LINES).read_bytes()
        assert not journal.abandoned(folder)
        assert not journal.close(folder, "died")
        assert (folder / journal.LINES).read_bytes() == before
        writer.kill()
        writer.wait()
    assert journal.abandoned(folder)
    assert journal.close(folder, "died")
    assert events(folder)[-1]["end"] == "KILLED"


def test_a_journal_that_is_gone_stays_gone(tmp_path: Path) -> None:
    """Prevents: an empty folder left by one who looks after another has delivered."""
    assert not journal.abandoned(tmp_path / "gone")
    assert not journal.close(tmp_path / "gone", "died")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_costs_the_record_and_not_the_training(tmp_path: Path, caplog: Any) -> None:
    """Prevents: hours of training lost because its journal was removed meanwhile, or the disk is full."""
    run = begin(tmp_path)
    assert run.folder is not None
    run.folder.rename(tmp_path / "elsewhere")
    run.text("a.txt", "a")
    run.file(Path(__file__))
    run.metrics({"a": 1.0}, 1)
    run.end("FINISHED")
    assert "is not recorded" in caplog.text
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
