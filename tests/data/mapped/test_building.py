"""Panels on disk: the same as those in memory to the last bit, made once, and never of other data than is there."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tsforge.api.fitting import fit
from tsforge.data.dataset import prepare, read
from tsforge.data.mapped import pieces, settling, store
from tsforge.data.panel import Panel
from tsforge.data.schema import DataConfig
from tsforge.data.survey import survey
from tsforge.errors import DataError
from tsforge.runtime import progress
from tsforge.settings import build

ROLES = {"id": "shop", "target": ("y", "z"), "past": "promo", "future": "price", "static": "region"}
FIELDS = ("values", "observed", "past", "future", "static", "offsets", "first", "ends", "phase")


def shops(count: int = 12, steps: int = 60) -> pd.DataFrame:
    """Series of different lengths with gaps, missing values, an empty one, and categories that not every shop has."""
    rng = np.random.default_rng(0)
    parts = []
    for i in range(count):
        length = steps - i
        part = pd.DataFrame({
            "shop": f"s{i}", "day": pd.date_range("2024-01-01", periods=length), "y": rng.normal(size=length).round(2),
            "z": rng.integers(0, 9, length).astype(float), "price": rng.normal(size=length),
            "promo": rng.choice(["none", "flyer", "zoo" if i > 6 else "card"], length), "region": f"r{(7 * i) % 5}",
        })  # fmt: skip
        part.loc[rng.choice(length - 5, 3), "y"] = np.nan
        part.loc[:, ["y", "z"]] = np.nan if i == 5 else part[["y", "z"]]
        parts.append(part.drop(index=rng.choice(np.arange(1, length - 5), 2, replace=False)))
    return pd.concat(parts, ignore_index=True)


def by_series(data: pd.DataFrame, folder: Path) -> Path:
    """Four files of three shops each, their rows in any order."""
    folder.mkdir()
    for k in range(4):
        own = data[data["shop"].isin([f"s{i}" for i in range(3 * k, 3 * k + 3)])]
        own.sample(frac=1, random_state=k).to_parquet(folder / f"part-{k}.parquet", index=False)
    return folder


def by_time(data: pd.DataFrame, folder: Path) -> Path:
    """Folders by month, as month=2024-01, each with all shops."""
    data.assign(month=data["day"].dt.strftime("%Y-%m")).to_parquet(folder, partition_cols=["month"], index=False)
    return folder


def one_file(data: pd.DataFrame, folder: Path) -> Path:
    """One file in the order of time, in several row groups."""
    folder.mkdir()
    data.sort_values("day", kind="stable").to_parquet(folder / "all.parquet", index=False, row_group_size=100)
    return folder / "all.parquet"


@pytest.fixture(autouse=True)
def small_pieces(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 (for the panels of these tests)
    """Pieces of one or two files, settled by two of them; files above 400 rows brought together by series."""
    monkeypatch.setattr(settling, "SAMPLES", (180, 2000))
    monkeypatch.setattr(pieces, "ROWS", 200)
    monkeypatch.setattr(pieces, "MOST", 400)


def panel(source: Path, **settings: object) -> Panel:
    return read(DataConfig.model_validate(ROLES | settings), str(source))[1]


def assert_same(one: Panel, other: Panel) -> None:
    for name in FIELDS:
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)
    assert one.schema == other.schema
    assert one.labels == other.labels
    assert {n: r.tolist() for n, r in one.label_rows.items()} == {n: r.tolist() for n, r in other.label_rows.items()}
    assert [(c.dtype, c.tolist()) for c in one.ids] == [(c.dtype, c.tolist()) for c in other.ids]
    assert one.digest() == other.digest()


def said(caplog: pytest.LogCaptureFixture) -> set[str]:
    """What was said of the rows, without what is of panels on disk."""
    apart = (" panel", "brought together", "keeps its own files")
    notes = {m for m in caplog.messages if not any(words in m for words in apart)}
    caplog.clear()
    return notes


@pytest.mark.parametrize("written", [by_series, by_time, one_file])
def test_a_panel_on_disk_is_that_of_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, written: Callable[[pd.DataFrame, Path], Path]
) -> None:
    """However rows lie in files: arrays, categories, ids, grid and every note, when it is made and when it is found."""
    caplog.set_level(logging.INFO, "tsforge")
    source = written(shops(), tmp_path / "data")
    expected = panel(source, mapped=False)
    notes = said(caplog)
    assert any("s5" in note for note in notes)
    for _ in range(2):
        mapped = panel(source, mapped=True)
        assert isinstance(mapped.values.base, np.memmap)
        assert_same(mapped, expected)
        assert said(caplog) == notes


def test_precision_is_that_of_all_files(tmp_path: Path) -> None:
    """Cents above a hundred million in the last file alone: all of the column is kept in double precision."""
    data = shops()
    data.loc[data["shop"] == "s11", "y"] += 123_456_789.0
    data["price"] += 1e9
    source = by_series(data, tmp_path / "data")
    expected = panel(source, mapped=False)
    assert expected.values.dtype == expected.future.dtype == np.float64
    assert_same(panel(source, mapped=True), expected)


@pytest.mark.parametrize("late", ["promo", "region", "price"])
def test_a_column_is_what_its_later_rows_show(tmp_path: Path, late: str) -> None:
    """Prevents: texts taken for numbers, where the rows that settle the columns have none; and numbers for texts."""
    data = shops()
    early = data["shop"].isin([f"s{i}" for i in range(8)])
    data[late] = data[late].astype(object).where(~early, None)
    source = by_series(data, tmp_path / "data")
    assert_same(panel(source, mapped=True), panel(source, mapped=False))


def numbered(folder: Path, empty: str = "") -> Path:
    """Series 1 to 3, each in two files by time; ids whole numbers in the one and decimals in the other."""
    folder.mkdir()
    data = shops(3).assign(shop=lambda f: f["shop"].str[1:].astype(int) + 1, store="a")
    early = data["day"] < data["day"].median()
    data[early].to_parquet(folder / "part-1.parquet", index=False)
    data[~early].astype({"shop": float}).to_parquet(folder / "part-2.parquet", index=False)
    if empty:
        data[:0].to_parquet(folder / empty, index=False)
    return folder


def test_a_number_is_one_series_however_it_is_written(tmp_path: Path) -> None:
    """Prevents: a series that becomes two, as its id is 1 in one file and 1.0 in another."""
    source = numbered(tmp_path / "data")
    expected = panel(source, mapped=False)
    assert len(expected) == 3
    mapped = panel(source, mapped=True)
    assert [float(v) for v in mapped.ids[0]] == [1, 2, 3]
    np.testing.assert_array_equal(mapped.values, expected.values)


def test_a_file_without_rows_is_no_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: the empty first file of Spark before a large one, which ended in an IndexError."""
    data = shops()
    source = by_series(data, tmp_path / "data")
    expected = panel(source, mapped=False)
    data[:0].to_parquet(source / "part-00000.parquet", index=False)
    monkeypatch.setattr(pieces, "ROWS", 100)
    assert_same(panel(source, mapped=True), expected)


def test_a_fit_from_disk_is_that_from_memory(tmp_path: Path) -> None:
    """Windows, features, scales and trained weights, bit for bit, of a network and of the closed form it adds to."""
    source = by_series(shops(), tmp_path / "data")
    given = {f"data.{name}": value for name, value in ROLES.items()} | {"data.horizon": 5}
    given |= {"model.kind": "gru", "model.width": 8, "model.base": "linear", "train.max_steps": 8}
    one, other = (build(given | {"data.mapped": mapped}) for mapped in (False, True))
    first, second = (prepare(e.data, str(source), e.model) for e in (one, other))
    for part in ("train", "validation", "test"):
        for a, b in zip(getattr(first.parts, part), getattr(second.parts, part), strict=True):
            np.testing.assert_array_equal(a, b)
    windows = first.parts.train
    series = torch.from_numpy(windows.series)
    batches = [d.source.gather(d.source.starts(windows), series) for d in (first, second)]
    for a, b in zip(*((*b.context, *b.truth) for b in batches), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    assert (first.encodings, first.limits.none) == (second.encodings, second.limits.none)
    weights = [fit(e, str(source)).model.network.state_dict() for e in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.suffix in (".bin", ".arrow")}


def test_killed_in_the_middle_it_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes as in one go, and what was finished is not done again."""
    source = by_series(shops(), tmp_path / "data")
    expected = panel(source, mapped=True, cache=str(tmp_path / "one"))
    settings = ROLES | {"mapped": True, "cache": str(tmp_path / "two")}
    script = (
        "import os, signal; from tsforge.runtime import progress; from tsforge.data.mapped import pieces\n"
        "from tsforge.data.dataset import read; from tsforge.data.schema import DataConfig; pieces.ROWS = 200\n"
        "progress.listen(lambda work, done, total: done > 300 and os.kill(os.getpid(), signal.SIGKILL))\n"
        f"read(DataConfig.model_validate({settings!r}), {str(source)!r})"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    made = sorted(path.parent.name for path in (tmp_path / "two").rglob("piece.json"))
    assert made
    done: list[str] = []
    laid = pieces.lay
    monkeypatch.setattr(pieces, "lay", lambda table, **more: done.append(table.label(0)) or laid(table, **more))
    progress.listen(None)
    assert_same(panel(source, mapped=True, cache=str(tmp_path / "two")), expected)
    assert len(done) + len(made) == 4
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert not list((tmp_path / "two").glob("*.work"))


def test_changed_input_makes_it_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that was only touched does not; one that was written again, added or removed does."""
    caplog.set_level(logging.INFO, "tsforge")
    source, data = by_series(shops(), tmp_path / "data"), shops()
    panel(source, mapped=True)
    (source / "part-1.parquet").touch()
    caplog.clear()
    panel(source, mapped=True)
    assert "is used, made of the same files before" in caplog.text
    for change in ("written", "removed"):
        caplog.clear()
        if change == "written":
            data.loc[data["shop"] == "s4", "y"] += 1
            data[data["shop"].isin(["s3", "s4"])].to_parquet(source / "part-1.parquet", index=False)
        else:
            (source / "part-3.parquet").unlink()
        assert_same(panel(source, mapped=True), panel(source, mapped=False))
        assert "has changed since" in caplog.text


@pytest.mark.parametrize("harm", ["bit", "short", "json", "gone"])
def test_a_damaged_panel_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str) -> None:
    source = by_series(shops(), tmp_path / "data")
    expected = panel(source, mapped=True)
    values = np.array(expected.values)
    path = next((tmp_path / ".tsforge" / "panels").rglob("panel.json" if harm == "json" else "values.bin"))
    whole = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        path.unlink()  # the one that is mapped stays
        path.write_bytes(whole[:-8] if harm == "short" else bytes(flipped))
    again = panel(source, mapped=True)
    assert "is damaged and is made anew" in caplog.text
    np.testing.assert_array_equal(again.values, values)
    assert path.read_bytes() == whole


def test_a_panel_beside_the_table_stays_in_use(tmp_path: Path) -> None:
    """Prevents: one that an earlier version made, of hours perhaps, made again where the new ones lie."""
    source = by_series(shops(), tmp_path / "data")
    (tmp_path / "data.tsforge").mkdir()
    panel(source, mapped=True)
    assert list((tmp_path / "data.tsforge").glob("panel-*/values.bin"))
    assert not (tmp_path / ".tsforge").exists()


@pytest.mark.parametrize("case", ["number", "twice", "grid", "frequency", "static"])
def test_what_is_wrong_in_a_later_file_is_named(tmp_path: Path, case: str) -> None:
    """By file and row, or series and time, as in memory."""
    source, data = by_series(shops(), tmp_path / "data"), shops()
    last = data[data["shop"].isin(["s9", "s10", "s11"])].reset_index(drop=True)
    if case == "number":
        last.loc[4, "y"] = np.inf
        words = r"column 'y', row 5 of part-3\.parquet: infinite value"
    elif case == "twice":
        last.loc[7, "day"] = last.loc[6, "day"]
        words = r"1 duplicate time: row 8 of part-3\.parquet, series s9, time 2024-01-0\d"
    elif case == "grid":
        last.loc[7, "day"] += pd.Timedelta(hours=5)
        words = r"row 8 of part-3\.parquet, series s9, time 2024-01-\d\d 05:00:00"
    elif case == "frequency":
        last = last[last["shop"] == "s9"].drop_duplicates("day").iloc[::2]
        last["day"] = pd.date_range("2024-01-01", periods=len(last), freq="2D")
        words = r"two frequencies in one table: series s6 is of frequency D and series s9 is of frequency 2D"
    else:
        last.loc[7, "region"] = "elsewhere"
        words = r"static column 'region' changes within a series at row \d of part-3\.parquet, series s9"
    last.to_parquet(source / "part-3.parquet", index=False)
    with pytest.raises(DataError, match=words):
        panel(source, mapped=True)


def test_a_survey_from_disk_is_that_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SAMPLES", (2000,))  # whose columns are shown
    source = by_series(shops(), tmp_path / "data")
    one, other = (survey(str(source), DataConfig.model_validate(ROLES | {"mapped": m})) for m in (False, True))
    assert one["series"] == other["series"]
    for name in ("frequency", "start", "end", "season", "horizon", "rows", "columns", "problem"):
        assert one[name] == other[name], name


def test_only_parquet_becomes_a_panel_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    shops().to_csv(path, index=False)
    with pytest.raises(DataError, match="only Parquet files become a panel on disk"):
        panel(path, mapped=True)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    source = by_series(shops(), tmp_path / "data")
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match=r"taken/here: no panel can be written there: Not a directory") as caught:
        panel(source, mapped=True, cache=str(tmp_path / "taken" / "here"))
    assert "data.cache" in caught.value.hint


def test_large_tables_go_to_disk_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the memory that is free: a quarter of it is taken at most."""
    source = by_series(shops(), tmp_path / "data")
    assert not isinstance(panel(source).values.base, np.memmap)
    monkeypatch.setattr("tsforge.data.mapped.inputs.free", lambda: 100_000)
    assert isinstance(panel(source, cache=str(tmp_path / "cache")).values.base, np.memmap)
    assert list((tmp_path / "cache").glob("panel-*/values.bin"))
    assert store.about(next((tmp_path / "cache").glob("panel-*")))["files"][0]["name"] == "part-0.parquet"


def test_files_by_day_show_weekdays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: business days taken for days, as the first rows show few steps of many series."""
    monkeypatch.setattr(settling, "SAMPLES", (400, 4_000, 40_000))
    days, rng = pd.bdate_range("2024-01-01", periods=60), np.random.default_rng(0)
    data = pd.DataFrame({"shop": np.tile(np.arange(100), 60), "day": np.repeat(days, 100), "y": rng.normal(size=6000)})
    for k, (day, own) in enumerate(data.groupby("day")):
        folder = tmp_path / "data" / f"part={k:03d}"
        folder.mkdir(parents=True)
        own.to_parquet(folder / f"{day:%Y%m%d}.parquet", index=False)
    roles = {"id": "shop", "target": "y", "time": "day"}
    expected, mapped = (
        read(DataConfig.model_validate(roles | {"mapped": on}), str(tmp_path / "data"))[1] for on in (False, True)
    )
    assert mapped.schema.frequency == expected.schema.frequency
    np.testing.assert_array_equal(mapped.values, expected.values)
