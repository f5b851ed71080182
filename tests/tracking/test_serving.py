"""An export loads in MLflow, answers what `tsforge predict` writes, refuses what is wrong, and holds nothing to run."""

from __future__ import annotations

import csv
import io
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc import scoring_server

import tsforge
from tsforge.cli.main import run
from tsforge.errors import ModelError
from tsforge.tracking import export

N = 60
QUICK = {"data.horizon": 4, "data.context": 12, "model.kind": "rnn", "model.width": 4, "train.max_steps": 3}


def series(key: object, seed: int, times: Any) -> pd.DataFrame:
    wave = 50 + 10 * np.sin(np.arange(N) * 2 * np.pi / 7) + np.random.default_rng(seed).normal(size=N)
    return pd.DataFrame({"item": key, "date": times, "sold": wave.round(2)})


def texts() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=N).strftime("%d/%m/%Y")
    return pd.concat([series("b", 0, days), series("a", 1, days)])


def integers() -> pd.DataFrame:
    table = pd.concat([series(7, 0, np.arange(N)), series(3, 1, np.arange(N))])
    return table.assign(sold=table["sold"].round().astype(int))


def dated() -> pd.DataFrame:
    """Days as numbers, 20240131."""
    days = pd.date_range("2024-01-01", periods=N).strftime("%Y%m%d").astype(int)
    return pd.concat([series("b", 0, days), series("a", 1, days)])


def epochs() -> pd.DataFrame:
    """Hours as seconds since 1970."""
    hours = 1_700_000_000 // 3600 * 3600 + 3600 * np.arange(N)
    return pd.concat([series("b", 0, hours), series("a", 1, hours)])


def gaps() -> pd.DataFrame:
    table = texts().reset_index(drop=True)
    table.loc[[3, 4, 20, 80, 119], "sold"] = np.nan
    return table.drop(index=[30, 31])


def covariates() -> pd.DataFrame:
    """Covariates of every kind, and rows after the end in which only what is known in advance stands."""
    table = texts().assign(region=lambda t: t["item"].map({"b": "north", "a": "south"}))
    table["price"] = np.tile(1 + np.arange(N) % 3, 2)
    table["open"] = np.tile(np.arange(N) % 7 > 1, 2)
    table["rain"] = np.random.default_rng(2).normal(size=2 * N).round(3)
    last = table["date"].isin(table["date"].iloc[-4:])
    table.loc[last, ["sold", "rain"]] = np.nan
    return table


def two_targets() -> pd.DataFrame:
    return texts().assign(returned=lambda t: (t["sold"] / 10).round(2), note="extra")


def parts() -> pd.DataFrame:
    """Hours of a day beside the date, 1 to 24."""
    begins = pd.date_range("2024-01-01", periods=N, freq="h")
    table = pd.concat([series("b", 0, begins.strftime("%d/%m/%Y")), series("a", 1, begins.strftime("%d/%m/%Y"))])
    return table.assign(hour=np.tile(begins.hour + 1, 2))


Fitted = Callable[[str], tuple[Path, Path, Path]]
COVARIATES = {"data.future": "price,open", "data.past": "rain", "data.static": "region"}
KINDS: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, str]]] = {
    "string ids": (texts, {}), "integer ids and times": (integers, {"data.time": "date", "data.id": "item"}),
    "days as numbers": (dated, {}), "seconds since 1970": (epochs, {"data.time": "date"}),
    "missing values": (gaps, {}), "covariates known in advance": (covariates, COVARIATES),
    "times in two columns": (parts, {"data.time": "date,hour", "data.id": "item"}),
    "two targets": (two_targets, {"data.target": "sold,returned"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def fitted(folder: Path) -> Fitted:
    """fitted(kind) -> its CSV, its model directory, its export; each kind is fitted once."""

    def make(kind: str) -> tuple[Path, Path, Path]:
        here = folder / kind.replace(" ", "-")
        table, model, exported = here / "data.csv", here / "model", here / "export"
        if not here.exists():
            here.mkdir()
            frame, settings = KINDS[kind]
            frame().to_csv(table, index=False)
            tsforge.fit(tsforge.build({**QUICK, "data.target": "sold", **settings}), table, out=model)
            export.export(model, exported)
        return table, model, exported

    return make


@pytest.fixture(autouse=True)
def _no_pickles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


def invoke(exported: Path, body: bytes, kind: str = "application/json") -> list[dict[str, Any]]:
    """What the scoring server does with a request, without the network."""
    model = mlflow.pyfunc.load_model(str(exported))
    answer = scoring_server.invocations(body, kind, model, model.metadata.get_input_schema())
    assert answer.status == 200
    rows: list[dict[str, Any]] = json.loads(answer.response)["predictions"]
    return rows


def bodies(table: Path) -> dict[str, tuple[bytes, str]]:
    """A table in every form that a client sends."""
    frame = pd.read_csv(table)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))  # every value as text
    parquet = io.BytesIO()
    frame.to_parquet(parquet)
    return {
        "split": (f'{{"dataframe_split": {frame.to_json(orient="split")}}}'.encode(), "application/json"),
        "records": (f'{{"dataframe_records": {frame.to_json(orient="records")}}}'.encode(), "application/json"),
        "all text": (json.dumps({"dataframe_records": rows}).encode(), "application/json"),
        "csv": (table.read_bytes(), "text/csv; charset=utf-8"),
        "parquet": (parquet.getvalue(), "application/vnd.apache.parquet"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_what_predict_writes(kind: str, fitted: Fitted, tmp_path: Path) -> None:
    """Prevents: a served forecast with other numbers, names, ids or times than the same model's on the command line."""
    table, model, exported = fitted(kind)
    assert run(["predict", str(model), str(table), "--output", str(tmp_path / "f.csv"), "--quiet"]) == 0
    written = pd.read_csv(tmp_path / "f.csv")
    served = mlflow.pyfunc.load_model(str(exported)).predict(pd.read_csv(table))
    pd.testing.assert_frame_equal(served, written, check_exact=True)
    exact = tsforge.predict(model, table).frame
    for name in ("forecast", "q0.05", "q0.5", "q0.95"):
        np.testing.assert_array_equal(served[name].to_numpy(np.float32), exact[name].to_numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["split", "records", "all text", "csv", "parquet"])
def test_every_form_of_request_gives_the_same_answer(kind: str, form: str, fitted: Fitted) -> None:
    """Prevents: whole numbers, gaps, flags or ids that one form may hold and another may not."""
    table, model, exported = fitted(kind)
    expected = tsforge.predict(model, table).frame
    rows = pd.DataFrame(invoke(exported, *bodies(table)[form]))
    assert list(rows.columns) == list(expected.columns)
    assert rows["date"].astype(str).tolist() == expected["date"].astype(str).tolist()
    assert rows["item"].astype(str).tolist() == expected["item"].astype(str).tolist()
    if form != "all text":  # where an id came as text it leaves as text
        assert [type(v) for v in rows["item"]] == [type(v) for v in expected["item"].tolist()]
    np.testing.assert_array_equal(rows["forecast"].to_numpy(np.float32), expected["forecast"].to_numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_the_signature_says_what_the_answer_holds(kind: str, fitted: Fitted) -> None:
    """Prevents: a client generated from the signature that cannot read an answer."""
    table, _, exported = fitted(kind)
    model = mlflow.pyfunc.load_model(str(exported))
    answer = model.predict(pd.read_csv(table))
    says = model.metadata.get_output_schema().to_dict()
    assert [column["name"] for column in says] == list(answer.columns)
    held = {"string": str, "long": int, "double": float, "any": (int, str)}
    for column in says:
        assert all(isinstance(value, held[column["type"]]) for value in answer[column["name"]].tolist()), column
    roles = model.metadata.metadata["tsforge"]
    lists = [[names] if isinstance(names, str) else names for names in roles.values()]
    named = [name for names in lists for name in names]
    assert set(named) == set(pd.read_csv(table).columns) - {"note"}


def test_datetimes_come_back_as_their_csv_shows_them(fitted: Fitted) -> None:
    table, _, exported = fitted("string ids")
    frame = pd.read_csv(table)
    frame["date"] = pd.to_datetime(frame["date"], format="%d/%m/%Y")
    served = mlflow.pyfunc.load_model(str(exported)).predict(frame)
    assert served["date"].iloc[0] == "2024-03-01"


def test_a_series_without_any_value_is_no_part_of_an_answer(fitted: Fitted) -> None:
    """Prevents: a forecast of nothing, in a request as in a file."""
    table, _, exported = fitted("string ids")
    frame = pd.read_csv(table)
    frame.loc[frame["item"] == "a", "sold"] = None
    rows = invoke(exported, f'{{"dataframe_split": {frame.to_json(orient="split")}}}'.encode())
    assert {row["item"] for row in rows} == {"b"}
    assert all(isinstance(row["forecast"], float) for row in rows)


def test_a_target_without_any_value_is_null_in_json(fitted: Fitted) -> None:
    """Prevents: the word NaN in an answer, which is no JSON."""
    table, _, exported = fitted("two targets")
    frame = pd.read_csv(table)
    frame.loc[frame["item"] == "a", "returned"] = None
    rows = invoke(exported, f'{{"dataframe_split": {frame.to_json(orient="split")}}}'.encode())
    empty = {(row["item"], row["target"]) for row in rows if row["forecast"] is None}
    assert empty == {("a", "returned")}
    assert len(rows) == len({(row["item"], row["target"], row["date"]) for row in rows}) == 16


def test_parameters(fitted: Fitted) -> None:
    table, model, exported = fitted("string ids")
    served = mlflow.pyfunc.load_model(str(exported))
    answer = served.predict(pd.read_csv(table), params={"horizon": 6, "quantiles": [0.9, 0.1]})
    expected = tsforge.predict(model, table, horizon=6, quantiles=[0.1, 0.9]).frame
    np.testing.assert_array_equal(answer["q0.9"].to_numpy(np.float32), expected["q0.9"].to_numpy())
    assert list(answer.columns) == list(expected.columns) == ["item", "date", "forecast", "q0.1", "q0.9"]
    assert len(answer) == len(expected) == 12
    schema = served.metadata.get_params_schema().to_dict()
    assert {p["name"]: p["type"] for p in schema} == {"horizon": "long", "quantiles": "double", "round": "boolean"}
    assert schema[0]["default"] == 4


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no such level": ({"quantiles": [0.5, 0.999]}, ["0.999", "0.025 and 0.975"]),
    "not positive": ({"horizon": 0}, ["horizon 0", "1 step or more"]),
    "not a number": ({"horizon": "soon"}, ["horizon", "soon"]),
    "unknown": ({"horizonn": 3}, ["'horizonn'", "did you mean 'horizon'?", "quantiles"]),
    "unknown beside known": ({"horizon": 3, "level": [0.5]}, ["'level'", "horizon, quantiles, round"]),
}


@contextmanager
def refused(parts: list[str]) -> Iterator[None]:
    """Status 400, for which MLflow gives what is raised, and what its message must hold."""
    with pytest.raises(mlflow.MlflowException) as caught:
        yield
    assert caught.value.get_http_status_code() == 400
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("kind", REFUSED)
def test_parameters_that_are_refused(kind: str, fitted: Fitted) -> None:
    """Prevents: status 500 for a mistake of the sender; a misspelt parameter dropped by the model or by its server."""
    params, parts = REFUSED[kind]
    table, _, exported = fitted("string ids")
    served = mlflow.pyfunc.load_model(str(exported))
    if "unknown" in kind:
        served = served.unwrap_python_model()  # MLflow itself drops them
    with refused(parts):
        served.predict(pd.read_csv(table), params=params)


def test_mlflow_itself_warns_of_unknown_parameters(fitted: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: silence in Python, where MLflow drops them before any code of a model runs."""
    table, _, exported = fitted("string ids")
    warnings: list[str] = []
    monkeypatch.setattr(logging.getLogger("mlflow.models.utils"), "warning", lambda text, *_: warnings.append(text))
    mlflow.pyfunc.load_model(str(exported)).predict(pd.read_csv(table), params={"horizonn": 3})
    assert any("horizonn" in text and "ignored" in text for text in warnings)


def test_another_models_unknown_parameters_are_not_our_business(fitted: Fitted) -> None:
    """Prevents: MLflow changed for every model of the process by loading one of ours."""
    table, _, exported = fitted("string ids")
    mlflow.pyfunc.load_model(str(exported)).predict(pd.read_csv(table))

    class Other(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
            assert len(model_input) == 1
            return params

    names = mlflow.types.ParamSchema([mlflow.types.ParamSpec("a", "long", 1)])
    meta = mlflow.models.Model(signature=mlflow.models.ModelSignature(params=names))
    assert mlflow.pyfunc.PyFuncModel(meta, Other()).predict(pd.DataFrame({"x": [1]}), params={"b": 2}) == {"a": 1}


@pytest.mark.parametrize(("spoil", "parts"), [
    (lambda t: t.drop(columns="sold"), ["no column 'sold'", "item, date"]),
    (lambda t: t.assign(date="soon"), ["'date'", "'soon'", "2024-01-31"]),
    (lambda t: t.iloc[:0], ["no rows"]),
    (lambda _: "/etc/hostname", ["str", "dataframe_split"]),
])  # fmt: skip
def test_tables_that_are_refused(spoil: Callable[[pd.DataFrame], Any], parts: list[str], fitted: Fitted) -> None:
    """Prevents: status 500 for a mistake of the sender; a path in a request that the server would read."""
    table, _, exported = fitted("string ids")
    with refused(parts):
        mlflow.pyfunc.load_model(str(exported)).predict(spoil(pd.read_csv(table)))


def test_an_export_holds_text_pictures_and_weights_alone(fitted: Fitted, folder: Path) -> None:
    """Prevents: a pickle, or a path of this machine, in what is given to others."""
    _, model, exported = fitted("string ids")
    inside = (p for p in exported.rglob("*") if p.is_file() and p.parent.name != "__pycache__")  # of who loaded it
    files = {p.relative_to(exported).as_posix(): p for p in inside}
    ours = {f"artifacts/model/{p.name}" for p in model.iterdir()}
    assert set(files) == {"MLmodel", "model.py", "python_env.yaml", "requirements.txt"} | ours
    for name, path in files.items():
        content = path.read_bytes()
        if name.endswith(".safetensors"):
            size = int.from_bytes(content[:8], "little")
            json.loads(content[8 : 8 + size])
        elif not content.startswith(b"\x89PNG"):
            content.decode("utf-8")
            assert name.startswith("artifacts/") or str(folder) not in content.decode("utf-8")
    assert f"tsforge-toolkit=={tsforge.__version__}" in files["requirements.txt"].read_text().splitlines()


def test_an_export_can_be_moved(fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: weights looked for in the folder where the model was fitted, or in the current one."""
    table, model, _ = fitted("string ids")
    expected = tsforge.predict(model, table).frame
    shutil.copytree(model, tmp_path / "copy")
    export.export(tmp_path / "copy", tmp_path / "export")
    shutil.rmtree(tmp_path / "copy")
    shutil.move(tmp_path / "export", tmp_path / "elsewhere")
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    served = mlflow.pyfunc.load_model("../elsewhere").predict(pd.read_csv(table))
    np.testing.assert_array_equal(served["forecast"].to_numpy(np.float32), expected["forecast"].to_numpy())


def test_an_export_of_version_0_1_still_loads(fitted: Fitted, tmp_path: Path) -> None:
    """Prevents: registered models that break where the code moves that they import."""
    table, model, exported = fitted("string ids")
    shutil.copytree(exported, tmp_path / "old")
    code = (tmp_path / "old" / "model.py").read_text()
    code = code.replace("tsforge.tracking.serving", "tsforge.serving").replace("ServedModel", "Forecaster")
    assert "from tsforge.serving import Forecaster\n\nset_model(Forecaster())" in code
    (tmp_path / "old" / "model.py").write_text(code)
    served = mlflow.pyfunc.load_model(str(tmp_path / "old")).predict(pd.read_csv(table))
    expected = tsforge.predict(model, table).frame
    np.testing.assert_array_equal(served["forecast"].to_numpy(np.float32), expected["forecast"].to_numpy())


def test_what_cannot_be_exported(fitted: Fitted, tmp_path: Path) -> None:
    """Prevents: files of somebody else mixed with ours; a server that starts over half a model."""
    _, model, exported = fitted("string ids")
    with pytest.raises(ModelError, match="not empty"):
        export.export(model, exported)
    with pytest.raises(ModelError, match="no such model directory"):
        export.export(tmp_path / "nothing", tmp_path / "export")
    shutil.copytree(model, tmp_path / "broken")
    (tmp_path / "broken" / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match="missing"):
        export.export(tmp_path / "broken", tmp_path / "export")
    assert not (tmp_path / "export").exists()
