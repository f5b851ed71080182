"""tsforge export: a file that answers as predict does, fed by its description alone, or an error and no file."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

import tsforge
from tests.helpers.tables import daily
from tsforge.cli.main import run
from tsforge.data.mapped import building
from tsforge.data.table import table
from tsforge.errors import ConfigError, ModelError
from tsforge.exporting import drawing, writing
from tsforge.exporting.checking import TOLERANCE
from tsforge.exporting.portable import Portable
from tsforge.fitted import directory
from tsforge.model.zero.network import Zero

L, H = 21, 5
BLENDED = ("transformer", "growth-gru", "cyclenet")


def covariates(n: int = 120) -> pd.DataFrame:
    """Two targets of two stores: a price and a holiday known in advance, the weather up to now, a region per store."""
    rng = np.random.default_rng(0)
    parts = []
    for store, region in (("a", "north"), ("b", "south")):
        price = rng.uniform(900, 1100, n)
        sold = 40 + 8 * np.sin(np.arange(n) * 2 * np.pi / 7) - (price - 1000) / 20 + rng.normal(size=n)
        parts.append(pd.DataFrame({
            "store": store, "day": pd.date_range("2023-03-01", periods=n, freq="D").astype(str), "sold": sold.round(2),
            "returned": (rng.normal(size=n) * 3).round(2), "price": price, "region": region,
            "holiday": rng.choice(["none", "state", "church"], n), "weather": rng.choice(["sun", "rain", "fog"], n),
        }))  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[[5, 100, 118], "sold"] = np.nan
    frame.loc[[30, 110], ["weather", "price"]] = np.nan
    return frame


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.csv, `model` on it, and model.onnx with its description."""
    folder = tmp_path_factory.mktemp("rich")
    covariates().to_csv(folder / "data.csv", index=False)
    settings = {
        "data.target": ["sold", "returned"], "data.id": "store", "data.future": ["price", "holiday"],
        "data.past": "weather", "data.static": "region", "data.horizon": H, "data.context": L, "model.kind": "gru",
        "model.width": 8, "train.max_steps": 5,
    }  # fmt: skip
    tsforge.fit(tsforge.build(settings), folder / "data.csv", out=folder / "model")
    argv = ["export", str(folder / "model"), "--output", str(folder / "model.onnx"), "--quiet"]
    assert run([*argv, "--quantiles", "0.025,0.25,0.5,0.9"]) == 0
    return folder


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def by_description(sidecar: dict[str, Any], table: pd.DataFrame) -> dict[str, np.ndarray]:
    """The inputs for the end of each series, from a table of plain rows, as the description says: row by row."""
    found: dict[str, list[Any]] = {name: [] for name in sidecar["inputs"]}
    ahead = sidecar["horizon"]
    for name, rows in table.groupby("store"):
        records = rows.to_dict("records")
        records, future = records[:-ahead], records[-ahead:]
        window = records[-sidecar["context"] :]
        found["target"].append([[row[t] for t in sidecar["targets"]] for row in window])
        found["observed"].append([[row[t] == row[t] for t in sidecar["targets"]] for row in window])
        found["series"].append(sidecar["series"].index([name]))
        inputs = sidecar["inputs"]
        found["past"].append([[coded(column, row) for column in inputs["past"]["columns"]] for row in window])
        found["known"].append([
            [coded(column, row) for column in inputs["known"]["columns"]] for row in [*window, *future]
        ])  # fmt: skip
        found["static"].append([coded(column, window[-1]) for column in inputs["static"]["columns"]])
    return {name: np.array(rows, dtype=sidecar["inputs"][name]["type"]) for name, rows in found.items()}


def coded(column: dict[str, Any], row: dict[str, Any]) -> float:
    if column["kind"] == "number":
        return float(row[column["column"]])
    if column["kind"] == "category":
        return float(row[column["column"]] == column["category"])
    day = datetime.fromisoformat(row["day"])
    midnight = datetime(day.year, day.month, day.day)
    share = (day - midnight) / timedelta(days=1)
    whole = {"day": 0, "week": day.weekday(), "year": (midnight - datetime(day.year, 1, 1)).days}[column["cycle"]]
    phase = (whole + share) / {"day": 1, "week": 7, "year": 365.2425}[column["cycle"]]
    return float(getattr(np, column["kind"])(2 * np.pi * column["harmonic"] * phase))


def test_a_file_fed_by_its_description_alone_answers_as_predict(rich: Path) -> None:
    """Prevents: a description that leaves out, or tells wrongly, what a caller without tsforge must do."""
    sidecar = json.loads((rich / "model.onnx.json").read_text())
    table = covariates()
    table.loc[table.groupby("store").tail(H).index, ["sold", "returned", "weather"]] = np.nan
    levels = tuple(sidecar["levels"])
    expected = tsforge.predict(rich / "model", table, quantiles=levels)
    runtime = session(rich / "model.onnx")
    assert runtime.get_modelmeta().custom_metadata_map["tsforge"] == (rich / "model.onnx.json").read_text()
    inputs = by_description(sidecar, table)
    point, quantiles = runtime.run(None, inputs)
    assert point == pytest.approx(expected.point, rel=1e-5, abs=1e-4)
    assert quantiles == pytest.approx(expected.quantiles, rel=1e-5, abs=1e-4)
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert levels == (0.025, 0.25, 0.5, 0.9)
    alone = runtime.run(None, {name: array[1:] for name, array in inputs.items()})
    assert alone[0] == pytest.approx(point[1:], rel=1e-6)
    assert [(o.name, o.shape[1:]) for o in runtime.get_outputs()] == [
        (name, tensor["shape"][1:]) for name, tensor in sidecar["outputs"].items()
    ]


def fitted(folder: Path, settings: dict[str, Any]) -> Path:
    common = {"data.horizon": H, "data.context": L, "train.max_steps": 1}
    tsforge.fit(tsforge.build(common | settings), daily(n=150), out=folder / "model")
    return folder / "model"


def test_a_blend_in_onnx(tmp_path: Path) -> None:
    """Prevents: a graph that was traced along the values of one window, or with the size of one batch."""
    members: list[dict[str, Any]] = [{"model": {"kind": kind, "width": 8}} for kind in BLENDED]
    members += [{"model": {"kind": "linear"}, "context": 14}, {"model": {"kind": "drift"}}]
    model = fitted(tmp_path, {"model": {"kind": "blend", "members": members}})
    done = tsforge.export(model, tmp_path / "all.onnx", data=daily(n=150))
    assert done.deviation <= TOLERANCE
    assert done.drawn
    assert done.real
    assert set(done.description["inputs"]) == {"target", "observed", "series", "known", "ordinal"}


def test_the_pretrained_network_in_torch_export(tmp_path: Path) -> None:
    """A small one: that of the package takes ten seconds."""
    model = directory.load(fitted(tmp_path, {"model.kind": "seasonal-naive"}))
    network = Zero(width=32, layers=1).build(model.shape).eval()
    done = tsforge.export(replace(model, network=network, calibration=None), tmp_path / "m.pt2", data=daily(n=150))
    assert done.deviation <= TOLERANCE


@pytest.mark.parametrize(
    "settings",
    [
        {"model.kind": "nlinear", "model.width": 8, "ensemble": 3},
        {"model.kind": "nlinear", "model.width": 8, "model.head.loss": "mae", "model.bounds": [0, 100]},
        {"model.kind": "rnn", "model.width": 8, "model.bounds": "none", "data.context": 2, "model.scaling": "last"},
        {"model.kind": "nlinear", "model.width": 8, "model.head": "tweedie"},
    ],
    ids=["ensemble", "point", "short", "tweedie"],
)
def test_torch_export(tmp_path: Path, settings: dict[str, Any]) -> None:
    model = fitted(tmp_path, settings)
    done = tsforge.export(model, tmp_path / "m.pt2", data=daily(n=150))
    assert done.deviation <= TOLERANCE
    texts = {"tsforge.json": ""}
    module = torch.export.load(tmp_path / "m.pt2", extra_files=texts).module()
    described = json.loads(texts["tsforge.json"])
    assert described == json.loads((tmp_path / "m.pt2.json").read_text()) == done.description
    sizes = {name: (4, *tensor["shape"][1:]) for name, tensor in described["inputs"].items()}
    kinds = {name: getattr(torch, tensor["type"]) for name, tensor in described["inputs"].items()}
    answer = module(**{name: torch.ones(sizes[name], dtype=kinds[name]) for name in sizes})
    assert [tuple(part.shape) for part in answer] == [(4, *t["shape"][1:]) for t in described["outputs"].values()]


def test_double_precision_where_the_table_has_it(tmp_path: Path) -> None:
    """Prevents: values beside which single precision has no digits for their changes."""
    table = daily(n=150)
    table["sold"] += 1e9
    settings = {"data.horizon": H, "data.context": L, "train.max_steps": 1, "model.kind": "rnn", "model.width": 8}
    tsforge.fit(tsforge.build(settings), table, out=tmp_path / "model")
    done = tsforge.export(tmp_path / "model", tmp_path / "m.pt2", data=table)
    assert done.description["inputs"]["target"]["type"] == "float64"
    expected = tsforge.predict(tmp_path / "model", table).point
    inputs = writing.windows.arrays(
        directory.load(tmp_path / "model"), tsforge.predict(tmp_path / "model", table).panel
    )
    module = torch.export.load(tmp_path / "m.pt2").module()
    point = module(**{name: torch.from_numpy(array) for name, array in inputs.items()})[0].numpy()
    assert np.abs(point - expected).max() < 1e-4


def test_a_file_that_would_answer_otherwise_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(tmp_path, {"model.kind": "nlinear", "model.width": 8})
    kept = Portable._kept
    monkeypatch.setattr(Portable, "_kept", lambda self, values, negative: kept(self, values, negative) * 1.0001)
    with pytest.raises(ModelError, match="answers otherwise than predict"):
        tsforge.export(model, tmp_path / "m.pt2", data=daily(n=150))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_window_of_a_stranger_reads_as_its_table_alone_would(tmp_path: Path) -> None:
    """Prevents: bounds or units of another series, for one that the model does not know."""
    model = directory.load(fitted(tmp_path, {"model.kind": "growth-gru", "model.width": 8}))
    panel = drawing.windows(model, 8)
    assert {panel.key(i) for i in range(8)} >= {drawing.UNKNOWN, "north"}
    inputs = {name: torch.from_numpy(array) for name, array in writing.windows.arrays(model, panel).items()}
    assert inputs["series"].tolist()[0] == -1
    with torch.no_grad():
        ours = Portable(model, model.levels).eval()(**inputs)[0].numpy()
    theirs = writing.prediction.of_panel(model, replace(panel), H, model.levels).point
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_what_cannot_be_exported_says_what_can(tmp_path: Path) -> None:
    model = fitted(tmp_path, {"model.kind": "theta"})
    with pytest.raises(ModelError, match="theta cannot be exported") as said:
        tsforge.export(model, tmp_path / "m.pt2")
    assert "networks" in said.value.hint
    with pytest.raises(ConfigError, match="no format 'onx'"):
        tsforge.export(model, tmp_path / "m.onx")
    with pytest.raises(ConfigError, match=r"ends in \.pt2"):
        tsforge.export(model, tmp_path / "m.onnx", format="pt2")
    with pytest.raises(ConfigError, match="there is no folder"):
        tsforge.export(model, tmp_path / "no" / "m.pt2")
    (tmp_path / "folder.pt2").mkdir()
    with pytest.raises(ConfigError, match=r"folder.pt2: cannot be written: it is a folder"):
        tsforge.export(model, tmp_path / "folder.pt2")


def test_of_a_table_on_disk_the_first_rows_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Prevents: all of a table in memory that is larger than memory; a raw error where the disk is full."""
    daily(n=150).to_parquet(tmp_path / "d.parquet", index=False)
    settings = {
        "data.horizon": H,
        "data.context": L,
        "data.mapped": True,
        "model.kind": "nlinear",
        "train.max_steps": 2,
    }
    tsforge.fit(tsforge.build(settings), tmp_path / "d.parquet", out=tmp_path / "m")
    monkeypatch.setattr(building, "SAMPLES", (60,))
    read: list[int] = []
    load = table.load_like
    monkeypatch.setattr(
        table, "load_like", lambda frame, schema: (read.append(len(frame.data)), load(frame, schema))[1]
    )
    done = tsforge.export(tmp_path / "m", tmp_path / "m.pt2")
    assert read == [60]
    assert done.real > 0
    assert "the first 60 of 300 rows are read" in caplog.text

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write", full)
    with pytest.raises(ConfigError, match=r"m.pt2: cannot be written: No space left on device"):
        tsforge.export(tmp_path / "m", tmp_path / "m.pt2")
