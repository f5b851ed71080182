"""Model directories, mutated under digests that are right: loaded, and forecast with where they load."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd

import tsforge
from tests.torture import mutations
from tsforge.fitted import directory, prediction

ROWS = 48
KINDS: dict[str, dict[str, Any]] = {
    "gru": {"model.width": 4}, "min-lstm": {"model.width": 4, "ensemble": 2}, "transformer": {"model.width": 4},
    "patch-transformer": {"model.width": 4}, "growth-gru": {"model.width": 4}, "cyclenet": {"data.season": 7},
    "nlinear": {}, "linear": {}, "naive2": {"data.season": 7},
    "blend": {"model.members": [{"model": {"kind": "rnn", "width": 4}}, {"model": "seasonal-naive"}]},
}  # fmt: skip
WRITTEN = ("experiment.json", "schema.json", "calibration.json", "manifest.json")


@lru_cache
def table() -> pd.DataFrame:
    """Two series of days with a covariate that is known and a category; the last rows are to be forecast."""
    x = np.arange(2 * ROWS)
    times = list(pd.date_range("2024-01-01", periods=ROWS, freq="D").strftime("%Y-%m-%d")) * 2
    data = pd.DataFrame({"t": times, "shop": ["a"] * ROWS + ["b"] * ROWS, "y": 20 + 5 * np.sin(x), "price": np.cos(x)})
    data["size"] = np.where(data["shop"] == "a", "big", "small")
    data.loc[x % ROWS >= ROWS - 6, "y"] = np.nan
    return data


@lru_cache
def bases() -> dict[str, dict[str, bytes]]:
    """Sound model directories, as the content of their files."""
    common = {"data.id": "shop", "data.target": "y", "data.future": "price", "data.static": "size", "data.horizon": 3}
    contents = {}
    with tempfile.TemporaryDirectory() as place:
        for kind, settings in KINDS.items():
            experiment = tsforge.build(common | {"model.kind": kind, "train.max_steps": 1} | settings)
            tsforge.fit(experiment, table(), out=Path(place) / kind)
            files = (path for path in (Path(place) / kind).iterdir() if path.suffix in (".json", ".safetensors"))
            contents[kind] = {path.name: path.read_bytes() for path in files}
    return contents


def attack(seed: int, case: int, folder: Path) -> str:
    """Load one mutated directory and forecast with it; what is no error of ours escapes."""
    random = Random(f"model {seed} {case}")
    files = dict(bases()[random.choice(list(bases()))])
    names = [name for name in files if name in WRITTEN or name.endswith(".safetensors")]
    for name in random.sample(names, random.choice((1, 1, 1, 2))):
        files[name] = _mutated(name, files[name], random)
    if random.random() < 0.02:
        del files[random.choice(names)]
    if random.random() < 0.95:
        _sign(files)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    model = directory.load(folder)
    answer = prediction.predict(model, table())
    numbers = answer.frame.select_dtypes("number").to_numpy()
    assert np.isfinite(numbers).all(), "a forecast that is no number"
    shutil.rmtree(folder)
    return "forecast"


def _mutated(name: str, content: bytes, random: Random) -> bytes:
    if name.endswith(".json"):
        if random.random() < 0.75:
            return mutations.of_json(content.decode(), random).encode()
        return mutations.of_bytes(content, random)
    length = int.from_bytes(content[:8], "little")
    header, payload = content[8 : 8 + length], content[8 + length :]
    kind = random.randrange(4)
    if kind == 0:  # the header as a document
        header = mutations.of_json(header.decode(), random).encode()
    elif kind == 1:  # numbers: huge, none, or of another sign
        numbers = bytearray(payload)
        for _ in range(random.choice((1, 5, 50))):
            place = 4 * random.randrange(len(numbers) // 4)
            numbers[place : place + 4] = random.choice(
                (random.randbytes(4), b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0" * 4)
            )
        payload = bytes(numbers)
    else:
        return mutations.of_bytes(content, random)
    return len(header).to_bytes(8, "little") + header + payload


def _sign(files: dict[str, bytes]) -> None:
    """Make the manifest agree, where it is still one."""
    try:
        manifest = json.loads(files["manifest.json"])
        digests = {name: hashlib.sha256(files[name]).hexdigest() for name in manifest["sha256"] if name in files}
        files["manifest.json"] = json.dumps(manifest | {"sha256": manifest["sha256"] | digests}).encode()
    except (ValueError, TypeError, KeyError):
        pass
