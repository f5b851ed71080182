"""A bad input of each kind ends with exit code 2, one error: line that says what and where, and a hint: line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.helpers.commands import Capsys, document, fails
from tsforge.cli.main import run

HOURS = [f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00" for i in range(24 * 14)]


def hourly(n: int = 24 * 14, value: str = "{i}", header: str = "time,load") -> str:
    return header + "\n" + "".join(f"{HOURS[i]},{value.format(i=i)}\n" for i in range(n))


TEXTS = {
    "empty": (b"", ["empty"]),
    "header only": (b"time,load\n", ["no rows"]),
    "binary": (bytes(range(256)) * 20, ["binary"]),
    "text in the target": (hourly().replace(",17\n", ",lots\n").encode(), ["load", "row 18", "line 19", "'lots'"]),
    "unreadable time": (hourly().replace(HOURS[20], "soon").encode(), ["time", "row 21", "'soon'"]),
    "duplicate times": ((hourly() + f"{HOURS[5]},1\n").encode(), ["duplicate", HOURS[5], "row 6"]),
    "infinite value": (hourly().replace(",30\n", ",inf\n").encode(), ["load", "row 31", "line 32", "infinite"]),
    "all missing": (hourly(value="").encode(), ["'load'", "all its 336 values are missing"]),
    "too short": (hourly(20).encode(), ["20 rows", "25 are needed"]),
    "irregular times": (
        hourly().replace("01-03 05:00", "01-03 05:17").replace("01-05 07:00", "01-05 07:31").encode(),
        ["irregular", "2024-01-03 05:17"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_bad_tables(kind: str, tmp_path: Path, capsys: Capsys) -> None:
    content, expected = TEXTS[kind]
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    said = fails(capsys, "fit", str(path), "--target", "load", "--time", "time", "--horizon", "8", "--no-track")
    assert str(path) in said
    for part in expected:
        assert part in said


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(hourly())
    return path


def test_missing_file_names_a_near_one(table: Path, capsys: Capsys) -> None:
    said = fails(capsys, "fit", str(table.with_name("dat.csv")), "--horizon", "8")
    assert "no such file" in said
    assert "data.csv" in said


@pytest.mark.parametrize(("argv", "expected"), [
    (["--target", "laod"], ["'laod'", "'load'"]),
    (["--model", "ltsm"], ["'ltsm'", "'lstm'"]),
    (["--horizon", "0"], ["horizon"]),
    (["--horizon", "-3"], ["horizon"]),
    (["--horizon", "many"], ["horizon", "many"]),
    (["--set", "train.lrr=1"], ["train.lrr", "train.lr"]),
    (["--set", "train.lr"], ["train.lr", "dotted.path=value"]),
    (["--freq", "hourz"], ["hourz"]),
    (["--max-time", "soon"], ["train.max_time", "soon"]),
    (["--horizn", "4"], ["--horizn", "--horizon"]),
    (["--config", "nothing.toml"], ["nothing.toml", "no such file"]),
    (["--past", "nothing"], ["'nothing'"]),
])  # fmt: skip
def test_bad_settings(argv: list[str], expected: list[str], table: Path, capsys: Capsys) -> None:
    said = fails(capsys, "fit", str(table), *argv)
    for part in expected:
        assert part in said


def test_ambiguous_target_is_asked_for_by_its_flag(tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("time,a,b\n" + "".join(f"{t},{i},{-i}\n" for i, t in enumerate(HOURS)))
    assert "--target" in fails(capsys, "fit", str(path), "--horizon", "4")


def test_unknown_command(capsys: Capsys) -> None:
    assert "'fit'" in fails(capsys, "fti", "data.csv")


def test_out_is_not_overwritten_when_it_is_no_model(table: Path, capsys: Capsys) -> None:
    precious = table.parent / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("all of it")
    fails(capsys, "fit", str(table), "--horizon", "8", "--model", "naive", "--out", str(precious), "--no-track")
    assert (precious / "thesis.txt").read_text() == "all of it"


@pytest.fixture
def model(tmp_path: Path, capsys: Capsys) -> Path:
    """A model with a covariate known in advance."""
    path = tmp_path / "train.csv"
    path.write_text("time,load,sun\n" + "".join(f"{t},{i % 24},{i % 7}\n" for i, t in enumerate(HOURS)))
    out = tmp_path / "model"
    argv = ["fit", str(path), "--target", "load", "--future", "sun", "--horizon", "4", "--context", "24"]
    assert run([*argv, "--model", "rnn", "--max-steps", "3", "--out", str(out), "--no-track", "--quiet"]) == 0
    capsys.readouterr()
    return out


def test_missing_future_covariates_name_the_first_time(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    said = fails(capsys, "predict", str(model), str(tmp_path / "train.csv"))
    assert "'sun'" in said
    assert "2024-01-15 00:00" in said


def test_future_covariates_given_in_rows_without_a_target(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    more = tmp_path / "more.csv"
    ahead = "".join(f"2024-01-15 {h:02d}:00,,{h % 7}\n" for h in range(4))
    more.write_text((tmp_path / "train.csv").read_text() + ahead)
    rows = document(capsys, "predict", str(model), str(more))["forecast"]
    assert [r["time"] for r in rows] == [f"2024-01-15 {h:02d}:00" for h in range(4)]


def test_another_frequency_at_predict(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "daily.csv"
    path.write_text("time,load,sun\n" + "".join(f"2024-02-{d:02d} 00:00,{d},1\n" for d in range(1, 29)))
    assert re.search(r"frequency D\b.* fitted on h", fails(capsys, "predict", str(model), str(path)))


def test_column_missing_at_predict(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    path = tmp_path / "other.csv"
    path.write_text(hourly(header="time,load"))
    assert "'sun'" in fails(capsys, "predict", str(model), str(path))


@pytest.mark.parametrize("name", ["manifest.json", "experiment.json", "schema.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "gone", "changed"])
def test_damaged_model_directory(name: str, damage: str, model: Path, capsys: Capsys, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    content = (copy / name).read_bytes()
    if damage == "gone":
        (copy / name).unlink()
    else:
        changed = content[: len(content) // 2] if damage == "cut" else content[:-3] + b"xyz"
        (copy / name).write_bytes(changed)
    assert str(copy) in fails(capsys, "predict", str(copy), str(tmp_path / "train.csv"))


def test_a_folder_that_is_no_model(tmp_path: Path, capsys: Capsys) -> None:
    assert "model directory" in fails(capsys, "predict", str(tmp_path), "x.csv")
    assert "no such model" in fails(capsys, "predict", str(tmp_path / "none"), "x.csv")


@pytest.mark.parametrize(("argv", "expected"), [
    (["--horizon", "0"], "horizon"),
    (["--output", "forecast.xlsx"], ".csv"),
    (["--output", "nowhere/forecast.csv"], "nowhere"),
    (["--plot", "forecast.bmp"], ".png"),
])  # fmt: skip
def test_bad_options_of_predict(argv: list[str], expected: str, model: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert expected in fails(capsys, "predict", str(model), str(tmp_path / "train.csv"), *argv)


def test_a_place_that_cannot_be_written_is_said_before_training(table: Path, capsys: Capsys) -> None:
    """Prevents: an hour of training that ends in FileNotFoundError."""
    (table.parent / "file").write_text("")
    said = fails(capsys, "fit", str(table), "--horizon", "8", "--out", str(table.parent / "file" / "model"))
    assert "cannot be written" in said


def test_an_output_that_is_a_folder(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "dd.csv").mkdir()
    argv = ["predict", str(model), str(tmp_path / "train.csv"), "--output", str(tmp_path / "dd.csv")]
    assert "cannot be written" in fails(capsys, *argv)


@pytest.mark.parametrize("content", ['{"format": 1, "sha256": "x"}', "[1]", "{"])
def test_a_manifest_of_another_shape(content: str, model: Path, tmp_path: Path, capsys: Capsys) -> None:
    (model / "manifest.json").write_text(content)
    assert "damaged" in fails(capsys, "predict", str(model), str(tmp_path / "train.csv"))


def test_a_table_behind_a_flag_of_several_names(table: Path, capsys: Capsys) -> None:
    said = fails(capsys, "fit", "--horizon", "8", "--target", "load", str(table))
    assert f"tsforge fit {table} --target load" in said
