"""predict and backtest for a folder of partitions: what they print, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.commands import Capsys, document, fails
from tests.partitions.conftest import table, write_hive
from tsforge.cli.main import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with a model m and a folder d of three partitions."""
    place = tmp_path_factory.mktemp("folders")
    table().to_parquet(place / "all.parquet", index=False)
    words = ["--model", "theta", "--id", "region", "shop", "--horizon", "4", "--no-track", "--quiet"]
    assert run(["fit", str(place / "all.parquet"), *words, "--out", str(place / "m")]) == 0
    write_hive(place / "d", table())
    return place


def test_document_and_lines(folder: Path, capsys: Capsys, tmp_path: Path) -> None:
    words = ("predict", str(folder / "m"), str(folder / "d"), "--output", str(tmp_path / "f"), "--workers", "1")
    first = document(capsys, *words, "--timings", "--quiet", "--shard", "1/2")
    assert first["partitions"] == {"all": 3, "shard": 2, "done": 2, "there": 0, "again": {}, "failed": {}}
    assert (first["series"], first["horizon"], first["rows_read"], first["rows"]) == (8, 4, 240, 32)
    assert {"listing", "reading", "forecasting", "saving"} <= first["timings"].keys()
    assert run([*words]) == 0
    out = capsys.readouterr().out
    assert "2 of 3 partitions were there already" in out
    assert "16 rows in" in out
    assert "1 partitions, 4 series x 4 steps, from 120 rows" in out


def test_failures_are_told_at_the_end(folder: Path, capsys: Capsys, tmp_path: Path) -> None:
    data = write_hive(tmp_path / "d", table())
    (data / "region=US" / "part-0.parquet").write_text("no table")
    words = ["predict", str(folder / "m"), str(data), "--output", str(tmp_path / "f"), "--workers", "1"]
    assert run([*words, "--keep-going"]) == 2
    out, err = capsys.readouterr()
    assert "1 partitions failed; the next run tries them again" in out
    assert "error: " in err
    assert "region=US/part-0.parquet: not a readable Parquet file" in err
    assert "region=US/part-0.parquet: not a readable Parquet file" in fails(capsys, *words)


@pytest.mark.parametrize(("words", "expected"), [
    (("--shard", "1/2"), "need a folder"),
    (("--shard", "1/2", "--output", "-"), "need a folder"),
    (("--output", "f.csv", "--keep-going"), "are a folder"),
    (("--output", "f", "--plot", "p.png"), "a picture shows one table"),
    (("--output", "f", "--future-data", "x.csv"), "what is known in advance of partitions stands in them"),
    (("--output", "f", "--workers", "0"), "workers 0 is not positive"),
    (("--output", "f", "--horizon", "0"), "horizon 0 is not positive"),
    (("--output", "f", "--shard", "9/8"), "shard 9/8 is none"),
])  # fmt: skip
def test_refusals(folder: Path, capsys: Capsys, words: tuple[str, ...], expected: str) -> None:
    assert expected in fails(capsys, "predict", str(folder / "m"), str(folder / "d"), *words)


def test_a_folder_is_one_table_where_the_output_is_one_file(folder: Path, capsys: Capsys, tmp_path: Path) -> None:
    """Prevents: two meanings of a folder that give two answers."""
    words = ("predict", str(folder / "m"), str(folder / "d"), "--output", str(tmp_path / "f.csv"), "--quiet")
    assert (document(capsys, *words)["series"], document(capsys, *words)["rows"]) == (12, 48)


def test_a_folder_is_one_table_in_a_pipe(
    folder: Path, capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Prevents: a folder named -, and nothing on standard output."""
    monkeypatch.chdir(tmp_path)
    assert run(["predict", str(folder / "m"), str(folder / "d"), "--output", "-", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 48
    for more in (["--quiet"], ["--shard", "1/2"]):
        words = ("backtest", str(folder / "m"), str(folder / "d"), "--no-track", "--forecasts", "-")
        assert "forecasts" in fails(capsys, *words, *more)
    assert not [*tmp_path.iterdir()]


def test_options_of_folders_are_refused_for_files(folder: Path, capsys: Capsys) -> None:
    """Prevents: an option that silently does nothing."""
    said = fails(capsys, "predict", str(folder / "m"), str(folder / "all.parquet"), "--shard", "1/2")
    assert "--shard is for a folder of partitions" in said


def test_backtest(folder: Path, capsys: Capsys, tmp_path: Path) -> None:
    """Prevents: a second run that scores only what it makes; flags that a folder cannot have, taken in silence."""
    out, table = tmp_path / "f", tmp_path / "s.csv"
    words = ("backtest", str(folder / "m"), str(folder / "d"), "--windows", "1", "--no-track", "--forecasts", str(out))
    assert run([*words, "--output", str(table), "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "12 windows of 12 series" in shown
    assert "intervals: static" in shown
    assert "3 partitions, 12 series x 4 steps, from 360 rows" in shown
    again = document(capsys, *words, "--quiet")
    assert (again["partitions"]["there"], again["windows"], again["series"]) == (3, 12, 12)
    assert f"theta,{again['scores']['theta']['mase']}" in table.read_text()
    assert "learn from all series" in fails(capsys, *words, "--intervals", "adaptive")
    assert "a picture shows one table" in fails(capsys, *words, "--plot", str(tmp_path / "p.png"))
    assert "not kept of partitions" in fails(capsys, *words, "--by", "series")
    zero = fails(capsys, "backtest", "zero", str(folder / "d"), "--forecasts", str(out), "--no-track")
    assert "no such folder of a model" in zero
