"""Folders of partitions: the same numbers as one table, and nothing done twice."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from tests.partitions.conftest import HORIZON, as_one, collected, same, table, write_hive
from tsforge.errors import ConfigError, DataError
from tsforge.partitions import running
from tsforge.partitions.running import Report, Request


def run(model: Path, data: Path, output: Path, **more: object) -> Report:
    return running.forecast(Request(str(model), str(data), str(output), workers=1, **more))  # type: ignore[arg-type]


def stamps(folder: Path) -> dict[str, int]:
    """When each file of forecasts was written, in nanoseconds."""
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*.parquet")}


@pytest.mark.parametrize("kind", ["theta", "gru"])
def test_partitions_have_the_numbers_of_one_table(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:  # fmt: skip
    """Prevents: forecasts that depend on how a table is divided, ids lost with the names of folders."""
    model, data = request.getfixturevalue(kind), table()
    report = run(model, write_hive(tmp_path / "d", data), tmp_path / "f")
    assert (report.done, report.rows, report.series, report.written) == (3, len(data), 12, 12 * HORIZON)
    found = collected(tmp_path / "f")
    same(found, as_one(model, data))
    types = parquet.read_schema(tmp_path / "f" / "region=EU" / "part-0.parquet")
    assert [str(types.field(name).type) for name in ("shop", "day")] == ["int64", "timestamp[us]"]
    assert "region" not in types.names  # the folder says it, as everywhere in Hive


def test_one_file_is_split_by_a_column(theta: Path, tmp_path: Path) -> None:
    """Prevents: rows lost between the groups of a file, and folders that Hive cannot read."""
    data = table().sample(frac=1, random_state=3)  # every row group holds every region
    data.to_parquet(tmp_path / "d.parquet", index=False, row_group_size=50)
    report = run(theta, tmp_path / "d.parquet", tmp_path / "f", partition_by=("region",))
    assert sorted(stamps(tmp_path / "f")) == [f"region={r}/part-0.parquet" for r in ("A P", "EU", "US")]
    assert report.rows == len(data)
    same(collected(tmp_path / "f"), as_one(theta, data.sort_values(["region", "shop", "day"], ignore_index=True)))


@pytest.mark.parametrize("kind", ["Int64", "float64"])
def test_a_file_is_split_by_whole_numbers_of_which_some_are_missing(kind: str, theta: Path, tmp_path: Path) -> None:
    """Prevents: rows that no partition takes, and whole numbers that are refused as decimals."""
    data = table()
    zones = data["shop"].map({0: 7, 1: 12, 2: None, 3: 7}).astype(kind)
    data.assign(zone=zones).to_parquet(tmp_path / "d.parquet", index=False)
    report = run(theta, tmp_path / "d.parquet", tmp_path / "f", partition_by=("zone",))
    assert report.rows == len(data)
    assert sorted(stamps(tmp_path / "f")) == [
        f"zone={zone}/part-0.parquet" for zone in ("12", "7", "__HIVE_DEFAULT_PARTITION__")
    ]
    same(collected(tmp_path / "f").drop(columns="zone"), as_one(theta, data))


def test_a_plain_folder_and_text_files(theta: Path, tmp_path: Path) -> None:
    data = table()
    (tmp_path / "d").mkdir()
    data[data["region"] == "EU"].to_parquet(tmp_path / "d" / "a.parquet", index=False)
    data[data["region"] != "EU"].to_csv(tmp_path / "d" / "b.csv", index=False)
    (tmp_path / "d" / "_SUCCESS").touch()
    run(theta, tmp_path / "d", tmp_path / "f")
    assert sorted(stamps(tmp_path / "f")) == ["a.parquet", "b.csv.parquet"]
    found = pd.concat([pd.read_parquet(p) for p in sorted((tmp_path / "f").iterdir())], ignore_index=True)
    wanted = as_one(theta, data)
    found["day"] = pd.to_datetime(found["day"]).astype(wanted["day"].dtype)  # of a text file, times are texts
    same(found, wanted)


def test_a_second_run_does_what_has_changed(
    theta: Path, gru: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Prevents: old forecasts of new data or of another model taken for new ones; good ones made again."""
    data, out = write_hive(tmp_path / "d", table()), tmp_path / "f"
    run(theta, data, out)
    first = stamps(out)
    report = run(theta, data, out)
    assert (report.done, report.there, stamps(out)) == (0, 3, first)

    changed = pd.read_parquet(data / "region=EU" / "part-0.parquet")
    changed["sold"] += 1
    changed.to_parquet(data / "region=EU" / "part-0.parquet", index=False)
    (out / "region=US" / "part-0.parquet").unlink()
    (out / "old.parquet").write_bytes((out / "region=EU" / "part-0.parquet").read_bytes())
    report = run(theta, data, out)
    assert (report.done, report.there, report.again) == (2, 1, {"its file has changed": 1})
    again = stamps(out)
    assert {n for n in first if first[n] != again[n]} == {"region=EU/part-0.parquet", "region=US/part-0.parquet"}
    assert "1 files belong to no partition of the data: old.parquet" in caplog.text

    assert run(gru, data, out).again == {"of another model": 3}
    assert run(gru, data, out, horizon=2).again == {"of another horizon or levels": 3}
    (out / "region=EU" / "part-0.parquet").write_bytes(b"PAR1 cut short")
    assert run(gru, data, out, horizon=2).again == {"not written by this command, or damaged": 1}


def test_a_series_in_two_files_is_refused(theta: Path, tmp_path: Path) -> None:
    """Prevents: a series forecast from half of its rows, as where files are cut by time."""
    data = table(regions=("EU", "US"))
    (tmp_path / "d").mkdir()
    early = data["day"] < "2024-01-20"
    half = (data["region"] == "US") & (data["shop"] == 2) & ~early
    data[~half].to_parquet(tmp_path / "d" / "a.parquet", index=False)
    data[half].to_parquet(tmp_path / "d" / "b.parquet", index=False)
    with pytest.raises(DataError, match=r"series US 2 lies in a\.parquet and in b\.parquet(\n|$)") as refused:
        run(theta, tmp_path / "d", tmp_path / "f")
    assert "holds whole series" in refused.value.hint
    assert not (tmp_path / "f").exists()


def test_shards_share_the_partitions(theta: Path, tmp_path: Path) -> None:
    data = write_hive(tmp_path / "d", table())
    reports = [run(theta, data, tmp_path / "f", shard=f"{i}/2") for i in (1, 2)]
    assert [(r.done, r.mine, r.partitions) for r in reports] == [(2, 2, 3), (1, 1, 3)]
    same(collected(tmp_path / "f"), as_one(theta, table()))
    for wrong in ("0/2", "3/2", "2", "a/b"):
        with pytest.raises(ConfigError, match="shard"):
            run(theta, data, tmp_path / "f", shard=wrong)


def test_a_damaged_partition_is_named(theta: Path, tmp_path: Path) -> None:
    """Prevents: a night lost by the first of a thousand files, or a failure that nobody sees."""
    data = write_hive(tmp_path / "d", table())
    (data / "region=EU" / "part-0.parquet").write_bytes(b"PAR1 but no more than that")
    with pytest.raises(DataError, match=r"region=EU/part-0\.parquet: not a readable Parquet file"):
        run(theta, data, tmp_path / "one")
    report = run(theta, data, tmp_path / "f", keep_going=True)
    assert (report.done, list(report.failed)) == (2, ["region=EU/part-0.parquet"])
    assert len(stamps(tmp_path / "f")) == 2


def test_what_readers_say_is_said_once(theta: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Prevents: a million lines of notes, and notes that are lost."""
    data = table()
    data.loc[data["day"] == "2024-01-05", "sold"] = float("nan")
    data.loc[(data["region"] == "US") & (data["day"] == "2024-01-07"), "sold"] = float("nan")
    run(theta, write_hive(tmp_path / "d", data), tmp_path / "f")
    missing = [r.getMessage() for r in caplog.records if "are missing" in r.getMessage()]
    assert len(missing) == 1
    assert "4 of 120 steps of 'sold' are missing" in missing[0]
    assert "in 3 of 3 partitions" in missing[0]


def test_a_pretrained_model_is_settled_by_the_first_partition(tmp_path: Path) -> None:
    """Prevents: a season or an id found in one partition and not in the next."""
    data = write_hive(tmp_path / "d", table(2))
    settings = {"data.id": ("region", "shop"), "data.time": "day", "data.target": "sold"}
    report = running.forecast(
        Request("zero", str(data), str(tmp_path / "f"), horizon=3, settings=settings, workers=1)
    )  # fmt: skip
    assert (report.done, report.horizon, report.series) == (3, 3, 6)
    assert len(collected(tmp_path / "f")) == 18
    again = running.forecast(Request("zero", str(data), str(tmp_path / "f"), horizon=3, settings=settings, workers=1))
    assert (again.done, again.there) == (0, 3)


def test_what_cannot_be_is_refused(theta: Path, tmp_path: Path) -> None:
    data = write_hive(tmp_path / "d", table(1))
    with pytest.raises(ConfigError, match="lies in the data"):
        run(theta, data, data / "forecasts")
    with pytest.raises(ConfigError, match="a folder is not split"):
        run(theta, data, tmp_path / "f", partition_by=("region",))
    with pytest.raises(ConfigError, match="no column 'regoin'"):
        run(theta, data / "region=EU" / "part-0.parquet", tmp_path / "f", partition_by=("regoin",))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="a folder without Parquet or CSV files"):
        run(theta, tmp_path / "empty", tmp_path / "f")
    own = json.loads(parquet.read_metadata(_first(theta, data, tmp_path)).metadata[b"tsforge"])
    assert own.keys() == {"model", "input", "settings"}


def _first(theta: Path, data: Path, tmp_path: Path) -> Path:
    run(theta, data, tmp_path / "f", shard="1/3")
    return next((tmp_path / "f").rglob("*.parquet"))
