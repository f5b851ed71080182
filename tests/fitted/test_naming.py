"""Where a model is saved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tsforge.errors import ModelError
from tsforge.experiment import Experiment
from tsforge.fitted.naming import check_replaced, reserved
from tsforge.settings import build


def _model(folder: Path, source: str) -> Path:
    """As much of a model directory as naming looks at."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "schema.json").write_text(json.dumps({"source": source}))
    return folder


def test_numbers_count_up(tmp_path: Path) -> None:
    """Prevents: a model over another one, a file, or what else has the name."""
    _model(tmp_path / "m", "a.csv")
    (tmp_path / "m-2").write_text("notes")
    _model(tmp_path / "m-3", "b.csv")
    (tmp_path / "m-4").mkdir()
    with reserved(tmp_path / "m") as place:
        assert place == tmp_path / "m-4"
        with reserved(tmp_path / "m") as other:
            assert other == tmp_path / "m-5"
            (other / "weights").write_text("")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m", "m-2", "m-3", "m-5"]


def test_nothing_is_left_of_a_fit_that_fails(tmp_path: Path) -> None:
    """Prevents: empty folders after mistakes."""
    with pytest.raises(RuntimeError), reserved(tmp_path / "models" / "m"):
        raise RuntimeError
    assert list((tmp_path / "models").iterdir()) == []


def test_the_folder_of_a_killed_fit_is_free_again(tmp_path: Path) -> None:
    """Prevents: -2, -3 beside an empty folder, for ever."""
    text = (
        "import os, pathlib, sys; from tsforge.fitted.naming import reserved\n"
        "with reserved(pathlib.Path(sys.argv[1])) as place: print(place, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", text, str(tmp_path / "m")], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == (str(tmp_path / "m"), -9)
    assert list((tmp_path / "m").iterdir()) == []
    with reserved(tmp_path / "m") as place:
        assert place == tmp_path / "m"


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    """Prevents: a traceback."""
    (tmp_path / "models").write_text("")
    with pytest.raises(ModelError, match="is no folder"), reserved(tmp_path / "models" / "m"):
        pass


@pytest.mark.parametrize("facts", ['{"source": ""}', "[]", "no json", "{}"])
def test_a_model_of_an_unknown_table_is_not_replaced(facts: str, tmp_path: Path) -> None:
    """Prevents: what cannot be read counts as the same table."""
    (_model(tmp_path / "m", "") / "schema.json").write_text(facts)
    with pytest.raises(ModelError, match=r"m: holds a model(\n|$)"):
        check_replaced(tmp_path / "m", str(tmp_path / "a.csv"))


def test_only_the_model_of_the_same_table_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a nightly fit that stops, or the model of another table lost."""
    monkeypatch.chdir(tmp_path)
    _model(tmp_path / "m", str(tmp_path / "a.csv"))
    check_replaced(tmp_path / "m", "a.csv")
    check_replaced(tmp_path / "absent", "b.csv")
    for source in ("b.csv", None):
        with pytest.raises(ModelError, match=r"a model of .*a\.csv"):
            check_replaced(tmp_path / "m", source)


@pytest.mark.parametrize(
    ("path", "name", "folder"),
    [
        ("/x/sales.csv", None, "sales-gru-h12"),
        ("/x/sales.csv.gz", None, "sales-gru-h12"),
        ("/x/Umsätze 2024.parquet", None, "Umsätze_2024-gru-h12"),
        ("/x/a.b.csv", "mine", "mine"),
        (None, None, "gru-y-h12"),
    ],
)
def test_the_name_is_that_of_the_table(path: str | None, name: str | None, folder: str) -> None:
    """Prevents: two tables with a column of the same name in one folder; names that no folder can have."""
    settings = {"data.path": path, "name": name, "data.target": "y", "data.horizon": 12, "model.kind": "gru"}
    experiment: Experiment = build({key: value for key, value in settings.items() if value is not None})
    assert experiment.folder == folder
