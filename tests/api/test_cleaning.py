"""What can go: every kind is found and removed, and what is in use, or not made by us, stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tests.helpers.stores import query
from tsforge.api import cleaning
from tsforge.cli.main import run
from tsforge.fitted import naming
from tsforge.runtime import drafts, home
from tsforge.tracking import journal, store

GONE = 2**22 + 1  # above the largest number of a process


def folder(path: Path, name: str = "x.bin", size: int = 1000) -> Path:
    path.mkdir(parents=True)
    (path / name).write_bytes(bytes(size))
    return path


@pytest.fixture
def littered(home: Path) -> Path:
    """A folder with something of every kind but deleted runs, and with what looks alike and is the user's."""
    folder(home / ".tsforge" / "panels" / "sales-1a2b3c4d" / "panel-0123456789ab", size=5000)
    folder(home / "old.tsforge" / "panel-0123456789ab", size=4000)
    folder(home / "mine.tsforge" / "notes")
    folder(home / "models" / ".demand.tsforge-abcdefgh")
    folder(home / "sweeps" / "a" / ".model.tsforge-abcdefgh")
    folder(home / ".mine.tsforge-no")
    (home / "models" / "reserved").mkdir()
    (home / "models" / "reserved-mine").mkdir()
    (home / "models" / "reserved-mine" / "a.txt").write_text("a")
    folder(home / "models" / f"half{naming.CHECKPOINT}", "training.safetensors")
    stopped = folder(home / "models" / f"demand{naming.CHECKPOINT}", "training.safetensors")
    (stopped / naming.PLAN).write_text("{}")
    (home / f".mlflow.db.{GONE}").write_bytes(bytes(10))
    (home / f".mlflow.db.{os.getpid()}").write_bytes(bytes(10))
    (home / f".backup.{GONE}").write_bytes(bytes(10))
    old = folder(home / journal.ROOT / "delivered-aaaa", "delivering")
    os.utime(old, (0, 0))
    folder(home / journal.ROOT / "begun-just-now-bbbb")
    return home


def waiting(name: str) -> journal.Run:
    return journal.begin(journal.ROOT.absolute(), name, {"uri": "http://nowhere", "experiment": "e", "tags": {}})


def names(items: list[cleaning.Leftover], *, used: bool = False) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in items:
        if item.used == used:
            found.setdefault(item.kind, set()).add(item.path.name)
    return found


def test_every_kind_is_found_and_nothing_of_the_user(littered: Path) -> None:
    """Prevents: a file that nobody of us has written being called a leftover, or gigabytes that are never named."""
    waiting("late").end("FINISHED")
    writing = waiting("running")
    found = cleaning.leftovers()
    kinds = names(found)
    assert kinds.pop("undelivered").pop().startswith("late-")
    assert kinds == {
        "panels": {"sales-1a2b3c4d", "old.tsforge"},
        "drafts": {
            ".demand.tsforge-abcdefgh", ".model.tsforge-abcdefgh", "reserved", f"half{naming.CHECKPOINT}",
            f".mlflow.db.{GONE}",
        },
        "journals": {"delivered-aaaa"},
        "checkpoints": {f"demand{naming.CHECKPOINT}"},
    }  # fmt: skip
    assert names(found, used=True) == {"undelivered": {writing.name}}
    sizes = {item.path.name: item.size for item in found}
    assert (sizes["sales-1a2b3c4d"], sizes["old.tsforge"], sizes["reserved"]) == (5000, 4000, 0)
    assert littered.joinpath("models", "reserved").is_dir()
    writing.end("FINISHED")


def test_what_goes_unasked_can_be_made_again(littered: Path) -> None:
    """Prevents: a fit that could be gone on with, or a run that nobody else has, lost to a word too few."""
    late = waiting("late")
    late.end("FINISHED")
    before = {path for path in littered.rglob("*") if path.is_file()}
    gone = cleaning.clean()
    assert {item.kind for item in gone} == {"panels", "drafts", "journals"}
    assert not any(item.path.exists() for item in gone)
    lost = before - {path for path in littered.rglob("*") if path.is_file()}
    assert all(
        any(place.absolute() in (path, *path.parents) for place in (item.path for item in gone)) for path in lost
    )
    assert late.folder is not None
    assert late.folder.is_dir()
    assert names(cleaning.leftovers()) == {
        "checkpoints": {f"demand{naming.CHECKPOINT}"}, "undelivered": {late.name}
    }  # fmt: skip
    assert len(cleaning.clean(kinds=("checkpoints", "undelivered"))) == 2
    assert cleaning.leftovers() == []
    assert (littered / "models" / "reserved-mine" / "a.txt").exists()
    assert (littered / "mine.tsforge" / "notes" / "x.bin").exists()


def test_what_only_looks_like_ours_is_nobodys_leftover(home: Path) -> None:
    """Prevents: somebody's folder removed for its name, or for a link that leads to it."""
    mine = folder(home / "resnet.checkpoint", "model.pt")
    thesis = folder(home / "scratch" / "projects" / "thesis", "t.tex")
    (home / ".tsforge").mkdir()
    (home / ".tsforge" / "panels").symlink_to(home / "scratch")
    (home / journal.ROOT).symlink_to(home / "scratch")
    os.utime(home / "scratch" / "projects", (0, 0))
    assert cleaning.leftovers() == []
    assert cleaning.clean(kinds=tuple(cleaning.TEXTS)) == []
    assert (mine / "model.pt").exists()
    assert (thesis / "t.tex").exists()
    (home / ".tsforge" / "panels").unlink()
    folder(home / ".tsforge" / "panels" / "panel-0123456789ab", "values.bin")  # of a cache that was named
    assert cleaning.leftovers() == []


def test_what_has_come_to_be_used_since_it_was_listed_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a model removed that was saved between the look and the removal; a fit whose plan has come."""
    (home / "models" / "m").mkdir(parents=True)
    state = folder(home / "models" / f"half{naming.CHECKPOINT}", "training.safetensors")
    table = folder(home / ".tsforge" / "panels" / "t-1a2b3c4d" / "panel-0123456789ab").parent
    listed = cleaning.leftovers()
    assert len(listed) == 3
    monkeypatch.setattr(cleaning, "leftovers", lambda *_: listed)
    (home / "models" / "m" / "manifest.json").write_text("{}")
    (state / naming.PLAN).write_text("{}")
    with FileLock(table / ".panel-ba9876543210.lock"):
        assert cleaning.clean() == []
    assert (home / "models" / "m" / "manifest.json").exists()
    assert (state / naming.PLAN).exists()
    assert (table / "panel-0123456789ab" / "x.bin").exists()


def test_a_damaged_journal_is_told_and_kept(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: every run unlisted, undelivered and not to be cleaned for one that a power cut has damaged."""
    good, bad = waiting("good"), waiting("bad")
    for run_ in (good, bad):
        run_.end("FINISHED")
    assert bad.folder is not None
    (bad.folder / journal.LINES).write_bytes(b"\0\0\0\n")
    assert journal.waiting(home / journal.ROOT) == [home / journal.ROOT / good.name]
    assert f"{bad.name} cannot be read" in caplog.text
    assert {item.kind for item in cleaning.leftovers()} == {"undelivered"}
    assert cleaning.clean() == []


HOLD = """
import sys
from pathlib import Path
from tsforge.runtime import drafts
kept = [drafts.share(Path(sys.argv[1])), drafts.lock(Path(sys.argv[2])), drafts.lock(Path(sys.argv[3]))]
print(all(handle is not None for handle in kept), flush=True)
sys.stdin.read()
"""


def test_what_another_process_uses_stays(littered: Path) -> None:
    """Prevents: a panel taken from under a training, or the state of a fit that runs."""
    used = [
        littered / ".tsforge" / "panels" / "sales-1a2b3c4d" / "panel-0123456789ab",
        littered / "models" / f"demand{naming.CHECKPOINT}", littered / "models" / "reserved",
    ]  # fmt: skip
    command = [sys.executable, "-c", HOLD, *map(str, used)]
    env = os.environ | {"PYTHONPATH": str(Path(cleaning.__file__).parents[2])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        gone = cleaning.clean(kinds=tuple(cleaning.TEXTS))
        assert not {used[0].parent.name, used[1].name, "reserved"} & {item.path.name for item in gone}
        assert all(path.is_dir() for path in used)
        process.communicate()
    assert {item.path.name for item in cleaning.clean(kinds=tuple(cleaning.TEXTS))} == {
        "sales-1a2b3c4d", f"demand{naming.CHECKPOINT}", "reserved"
    }  # fmt: skip


@pytest.mark.usefixtures("home")
def test_a_panel_that_is_mapped_is_held(tmp_path: Path) -> None:
    """Prevents: panels that are in use and not known to be."""
    import pandas as pd

    import tsforge

    days = pd.date_range("2024-01-01", periods=80, freq="D")
    pd.DataFrame({"t": days, "y": range(80)}).to_parquet(tmp_path / "data.parquet")
    settings = {"data.mapped": True}
    tsforge.fit("data.parquet", horizon=7, model="naive", settings=settings)
    (item,) = [item for item in cleaning.leftovers() if item.kind == "panels"]
    assert item.used
    assert item.path.parent == Path(".tsforge/panels")
    assert cleaning.clean() == []


def test_deleted_runs_go_for_good_with_their_files(store_at_home: Path, tmp_path: Path) -> None:
    """Prevents: artifacts that stay for ever, or a registered model that goes with its run."""
    uri = store.address()
    client = store.connect(uri)
    number = store.experiment(client, uri, "tsforge")
    kept, bare, registered = (client.create_run(number, run_name=name).info for name in ("kept", "bare", "registered"))
    for info in (kept, bare, registered):
        (tmp_path / "a.txt").write_text("a" * 100)
        client.log_artifact(info.run_id, str(tmp_path / "a.txt"))
        model = client.create_logged_model(number, name="model", source_run_id=info.run_id)
        client.log_model_artifacts(model.model_id, str(home.ready(tmp_path / "artifact")))
    client.create_registered_model("demand")
    client.create_model_version("demand", "x", registered.run_id)
    for info in (bare, registered):
        client.delete_run(info.run_id)
    (item,) = cleaning.leftovers()
    assert (item.kind, item.size) == ("deleted", 102)
    assert cleaning.clean() == []
    assert [item.run.id for item in cleaning.clean(kinds=("deleted",)) if item.run] == [bare.run_id]
    assert query(store_at_home, "select name from runs order by name") == [("kept",), ("registered",)]
    assert query(store_at_home, "select count(*) from logged_models") == [(2,)]
    assert len(list((tmp_path / ".tsforge" / "artifacts").rglob("a.txt"))) == 2
    assert cleaning.leftovers() == []


def test_the_command_shows_before_it_removes(littered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: something removed without --yes; figures that differ between the two."""
    waiting("late").end("FINISHED")
    assert run(["clean", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert run(["clean"]) == 0
    text = capsys.readouterr().out
    assert "would be freed: tsforge clean --yes\n" in text
    assert "goes with --undelivered" in text
    assert max(map(len, text.splitlines())) <= 80
    assert run(["clean", "--yes", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (shown["removed"], done["removed"]) == (False, True)
    assert shown["goes"] == done["goes"]
    assert shown["bytes"] == done["bytes"] > 10_000
    assert {item["kind"] for item in done["stays"]} == {"checkpoints", "undelivered"}
    assert run(["clean", "--yes", "--all", "--undelivered"]) == 0
    assert "freed" in capsys.readouterr().out
    assert run(["clean"]) == 0
    assert capsys.readouterr().out == "there is nothing to remove\n"
    assert run(["clean", "nowhere"]) == 2
    assert drafts.left(littered) == []
