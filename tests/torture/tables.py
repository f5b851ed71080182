"""Tables of many kinds, mutated: read as `inspect` and `fit` read them, with settings that chance chooses."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd

import tsforge
from tests.torture import mutations
from tsforge.data import dataset, survey
from tsforge.fitted import prediction

ROWS = 40
SETTINGS: dict[str, tuple[Any, ...]] = {
    "data.time": ("t", "y", "nothing", ["t", "y"]), "data.id": ("id", "t", "nothing"), "data.target": ("y", "x", "t"),
    "data.timezone": ("Europe/Berlin", "UTC", "America/Sao_Paulo", "+:3", "UTC+5", "Nowhere/City", "../x", ""),
    "data.freq": ("D", "h", "W", "MS", "QE", "B", "15min", "0", "-1D", "3", "0.5", "x", "9" * 30), "data.snap": (True,),
    "data.resample": ("W", "MS", "2h", "D", "10000000D", "x"), "data.duplicates": ("mean", "sum", "first", "last"),
    "data.dayfirst": (True, False), "data.decimal": (",", "."), "data.past": ("x",), "data.future": ("x",),
    "data.static": ("id", "x"), "data.category": ("x", "y"), "data.rows": (1, 7), "data.season": (2, 7, 500),
    "data.time_format": ("%Y-%m-%d", "%d/%m/%Y", "%Y", "%", "%Q", "%Y-%m-%dT%H:%M:%S%:z", "epoch:s"),
    "data.context": (1, 30, 100_000), "data.test": (0, 5, 10_000), "data.validation": (1, 10_000),
}  # fmt: skip


def _csv(times: Any, delimiter: str = ",", **more: Any) -> bytes:
    x = np.arange(len(times))
    data = pd.DataFrame({"t": times, "x": (x % 5).astype(float), "y": (10 + 3 * np.sin(x)).round(3)} | more)
    return data.to_csv(index=False, sep=delimiter).encode()


def _dates(freq: str, form: str = "%Y-%m-%d", start: str = "2024-01-01", **zone: Any) -> list[str]:
    return list(pd.date_range(start, periods=ROWS, freq=freq, **zone).strftime(form))


def _parquet() -> bytes:
    times = pd.date_range("2024-01-01", periods=ROWS, freq="h", tz="Europe/Berlin")
    data = pd.DataFrame({"t": times, "id": pd.Categorical(["a"] * ROWS), "y": np.arange(float(ROWS))})
    file = io.BytesIO()
    data.to_parquet(file)
    return file.getvalue()


def _zip(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", content)
    return file.getvalue()


@lru_cache
def bases() -> dict[str, bytes]:
    """Sound tables by the name of their file."""
    iso, days = _csv(_dates("D")), _dates("D")
    mixed = [f"{t}{z}" for t, z in zip(_dates("h", "%Y-%m-%dT%H:%M"), ["+01:00"] * 20 + ["-02:00"] * 20, strict=True)]
    packed: dict[str, Callable[[bytes], bytes]] = {
        "gz": lambda c: gzip.compress(c, mtime=0), "bz2": bz2.compress, "xz": lzma.compress, "zip": _zip,
    }  # fmt: skip
    return {
        "days.csv": iso,
        "series.csv": _csv(days[: ROWS // 2] * 2, id=["a"] * (ROWS // 2) + ["b"] * (ROWS // 2)),
        "hours.csv": _csv(_dates("h", "%d/%m/%Y %H:%M")),
        "american.csv": _csv(_dates("D", "%m/%d/%y")),
        "zones.csv": _csv(_dates("h", "%Y-%m-%dT%H:%M:%S%z", tz="Europe/Berlin", start="2024-03-30")),
        "mixed.csv": _csv(mixed),
        "local.csv": _csv(_dates("30min", "%Y-%m-%d %H:%M", start="2024-10-26 20:00")),
        "months.csv": _csv(_dates("MS", "%Y-%m")),
        "named.csv": _csv(_dates("MS", "%b %Y")),
        "quarters.csv": _csv([f"{y}Q{q}" for y in range(2010, 2020) for q in range(1, 5)]),
        "weeks.csv": _csv([f"{y}-W{w:02d}" for y in (2023, 2024) for w in range(1, 21)]),
        "numbers.csv": _csv(range(ROWS)),
        "decimals.csv": _csv([i / 4 for i in range(ROWS)]),
        "epochs.csv": _csv([1704067200 + 3600 * i for i in range(ROWS)]),
        "semicolon.csv": _csv(days, ";").replace(b".", b","),
        "tabs.tsv": _csv(days, "\t"),
        "parts.csv": _csv([2024] * ROWS, month=[1] * 31 + [2] * 9, day=[*range(1, 32), *range(1, 10)]),
        "words.csv": _csv(days, kind=["big", "small"] * (ROWS // 2)),
        "spaces.csv": iso.replace(b",", b" , "),
        "quoted.csv": b"\n".join(b'"' + line.replace(b",", b'","') + b'"' for line in iso.splitlines()),
        "utf16.csv": iso.decode().encode("utf-16"),
        "latin.csv": iso.replace(b"x", "größe".encode("cp1252"), 1),
        "dark.csv": b"\xef\xbb\xbf" + iso,
        "nameless.csv": b"\n".join(line.split(b",")[-1] for line in iso.splitlines()).replace(b"y", b"", 1),
        "table.parquet": _parquet(),
    } | {f"days.csv.{ending}": pack(iso) for ending, pack in packed.items()}  # fmt: skip


@lru_cache
def fitted() -> Any:
    """A model of the table of days, whose settings other tables are read with."""
    settings = {"data.target": "y", "data.horizon": 3, "model.kind": "naive"}
    return tsforge.fit(tsforge.build(settings), pd.read_csv(io.BytesIO(bases()["days.csv"]))).model


def attack(seed: int, case: int, folder: Path) -> str:
    """Read one mutated table; what is no error of ours escapes."""
    random = Random(f"table {seed} {case}")
    name = random.choice(list(bases())[: None if random.random() < 0.3 else -4])  # packed ones are mostly damaged
    content = bases()[name]
    if name.endswith(".csv") and name != "utf16.csv" and random.random() < 0.6:
        delimiter = ";" if name == "semicolon.csv" else ","
        content = mutations.of_table(content.decode("utf-8", "replace"), random, delimiter).encode("utf-8", "replace")
    else:
        content = mutations.of_bytes(content, random)
    if name == "days.csv" and random.random() < 0.1:  # a sound file around what is not
        content = gzip.compress(content, mtime=0)
    path = folder / name
    path.write_bytes(content)
    usual = {"data.horizon": 3} | ({"data.target": "y"} if random.random() < 0.85 else {})
    settings = usual | {k: random.choice(SETTINGS[k]) for k in SETTINGS if random.random() < 0.03}
    experiment = tsforge.build(settings)
    if random.random() < 0.3:
        prediction.predict(fitted(), path)
        return "forecast"
    facts = survey.survey(path, experiment.data)
    assert not facts["problem"] or facts["problem"].strip()
    dataset.prepare(experiment.data, path, experiment.model)
    return "read"
