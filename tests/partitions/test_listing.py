"""Which files are partitions, and what the names of their folders say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tsforge.data.table.folder import NOTHING as NONE
from tsforge.errors import DataError
from tsforge.partitions import listing, places
from tsforge.partitions.listing import Part, Shard


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_folders_are_columns(tmp_path: Path) -> None:
    """Prevents: numbers as texts, quoted names as they are written, and forecasts of what is no part of the table."""
    names = ("year=2023/shop=A%2FB/a.parquet", f"year=2024/shop={NONE}/a.parquet", "year=2024/shop=7/b.csv")
    touch(tmp_path, *names, "_SUCCESS", "_tmp/x.parquet", "year=2023/.a.parquet.12", "notes.txt")
    found = listing.find(places.locate(tmp_path))
    assert [part.path for part in found] == sorted(names)
    assert [part.keys for part in found] == [
        {"year": 2023, "shop": "A/B"}, {"year": 2024, "shop": "7"}, {"year": 2024, "shop": None},
    ]  # fmt: skip
    assert found[1].target == "year=2024/shop=7/b.csv.parquet"


def test_what_was_made_of_tables_is_no_part(tmp_path: Path) -> None:
    """Prevents: forecasts of a panel on disk that lies beside its table; a column _store that hides all of it."""
    touch(tmp_path, "_store=4/a.parquet", "a.parquet.tsforge/panel-1/rows-0.parquet", "_store=4/_x/b.parquet")
    found = listing.find(places.locate(tmp_path))
    assert [(part.path, part.keys) for part in found] == [("_store=4/a.parquet", {"_store": 4})]


def test_folders_of_two_tables_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a=1/x.parquet", "b=1/x.parquet")
    with pytest.raises(DataError, match="folders of different columns"):
        listing.find(places.locate(tmp_path))


def test_rows_with_values_have_folders_of_their_own() -> None:
    part = Part("", "", where={"region": "A/B c", "year": 2024, "shop": None})
    assert part.target == f"region=A%2FB c/year=2024/shop={NONE}/part-0.parquet"
    assert part.name == "region=A/B c, year=2024, shop=None"


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_shards_are_all_partitions_once(of: int) -> None:
    parts = [Part(f"{i:02d}", "") for i in range(11)]
    shares = [Shard(i + 1, of).take(parts) for i in range(of)]
    assert sorted((p for share in shares for p in share), key=lambda p: p.path) == parts
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
