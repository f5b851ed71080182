"""The model directory as an MLflow model, and MLflow's own scoring server over it.

An export is models-from-code: a file of three lines that imports this module, our model directory beside it, and
explicit requirements. Loading it unpickles nothing, and no path in it leads out of it, so it can be moved. It is not
written by `mlflow.pyfunc.save_model`, which would run the model, print bars and advice, and note down where the files
lay.

The signature names outputs and parameters but no inputs, because MLflow would then check the columns itself, by rules
that refuse good tables: "double" refuses whole numbers in a data frame, "string" refuses numbers and datetimes, and
"any" makes every CSV an error. Our own reader checks the columns, says more, and takes what `tsforge predict` takes;
which columns those are stands in the metadata.
"""

from __future__ import annotations

import inspect
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd  # MLflow reads the annotations of `predict`
from mlflow.pyfunc import PyFuncModel, PythonModel

from tsforge import __version__, artifact, prediction
from tsforge.data import output
from tsforge.data.schema import Schema
from tsforge.errors import ConfigError, DataError, ModelError, TsforgeError, nearest

CODE = '''"""Read by MLflow: the model directory under artifacts/, served by tsforge."""

from mlflow.models import set_model

from tsforge.serving import Forecaster

set_model(Forecaster())
'''
ENVIRONMENT = """python: "{version}"
build_dependencies:
- pip
dependencies:
- -r requirements.txt
"""
STARTING = 30  # seconds that a worker may be deaf while it imports torch; by itself uvicorn replaces it after 5
_CODE_FILE, _MODEL = "model.py", "artifacts/model"


class Forecaster(PythonModel):  # type: ignore[misc]
    """What MLflow loads from an export: a table in, the tidy table of `tsforge predict` out."""

    def load_context(self, context: Any) -> None:
        """context.artifacts["model"]: the model directory."""
        self.model = artifact.load(context.artifacts["model"])

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Forecasts from the end of each series, as `output.plain` shows them.

        params: horizon (steps) and quantiles (levels of the model); what is left out is as the model has it.
        Raises MlflowException, which the server answers as status 400, with the words of our own errors.
        """
        try:
            _check_names(_as_given(params))
            if not isinstance(model_input, pd.DataFrame):
                raise DataError(
                    f"a table cannot be read from {type(model_input).__name__}",
                    "send dataframe_split, dataframe_records, CSV or Parquet; in Python, a data frame",
                )
            found = prediction.predict(self.model, model_input, **(params or {}))
            return output.plain(found.frame)
        except TsforgeError as problem:
            message = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
            raise mlflow.MlflowException.invalid_parameter_value(message) from problem


def export(folder: Path, into: Path) -> None:
    """Write the model directory `folder` as an MLflow model into the new or empty folder `into`.

    Raises ModelError where `folder` is no sound model, or `into` holds something or cannot be written.
    """
    model = artifact.load(folder)
    try:
        into.mkdir(parents=True, exist_ok=True)
        if any(into.iterdir()):
            raise ModelError(f"{into}: is not empty", "export into a new folder")
        shutil.copytree(folder, into / _MODEL)
        (into / _CODE_FILE).write_text(CODE, encoding="utf-8")
        wanted = f"mlflow=={mlflow.__version__}\ntsforge=={__version__}\n"
        (into / "requirements.txt").write_text(wanted, encoding="utf-8")
        python = ENVIRONMENT.format(version=platform.python_version())
        (into / "python_env.yaml").write_text(python, encoding="utf-8")
    except OSError as problem:
        raise ModelError(f"{into}: cannot be written: {problem.strerror or problem}", "choose another folder") from None
    described = mlflow.models.Model(signature=_signature(model), metadata={"tsforge": _columns(model.facts.columns)})
    mlflow.pyfunc.add_to_model(
        described, loader_module="mlflow.pyfunc.loaders.code_model", python_env="python_env.yaml",
        model_code_path=_CODE_FILE, artifacts={"model": {"path": _MODEL, "uri": _MODEL}}, streamable=False,
    )  # fmt: skip
    described.save(str(into / "MLmodel"))


def _signature(model: artifact.Model) -> Any:
    """Typed outputs and parameters. An id is of the type that it comes in."""
    from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec
    from mlflow.types.schema import Schema as Columns

    schema = model.facts.columns
    names = ["forecast", *map(output.quantile_name, model.levels)]
    outputs = [*(ColSpec(AnyType(), name) for name in schema.id), ColSpec(_time_type(schema), schema.time)]
    outputs += [ColSpec("string", "target")] if len(schema.target) > 1 else []
    outputs += [ColSpec("double", name) for name in names]
    params = [
        ParamSpec("horizon", "long", model.shape.horizon),
        ParamSpec("quantiles", "double", list(model.levels), shape=(-1,)),
    ]
    return mlflow.models.ModelSignature(outputs=Columns(outputs), params=ParamSchema(params))


def _time_type(schema: Schema) -> str:
    """MLflow's word for the times in an answer: text, or numbers where the table writes them as such."""
    written = schema.time_format or ""
    if schema.time_kind == "datetime":
        return "long" if written.endswith(":int") or written.startswith("epoch:") else "string"
    return "long" if schema.time_kind == "integer" and written != "float" else "double"


def _columns(schema: Schema) -> dict[str, Any]:
    """The columns that a table must have, by role."""
    roles: dict[str, Any] = {"time": schema.time, "id": list(schema.id), "target": list(schema.target)}
    groups = {"past": schema.past, "future": schema.future, "static": schema.static}
    return roles | {role: [column.name for column in group] for role, group in groups.items()}


# --- parameters -----------------------------------------------------------------------------------------------------


def _as_given(params: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The parameters as the caller of PyFuncModel.predict wrote them.

    MLflow drops those that the signature does not name before any code of a model runs, with a warning in the
    server's log that a caller never sees, and offers no hook and no setting against it. The call itself, a public
    function with a public argument, still holds them: they are read from its frame and nothing is patched.
    """
    entry = inspect.unwrap(PyFuncModel.predict).__code__
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code is entry:
            return frame.f_locals["params"] or {}
        frame = frame.f_back  # type: ignore[assignment]
    return params or {}


def _check_names(given: Mapping[str, Any]) -> None:
    """Raises ConfigError for the first parameter that there is not."""
    known = ("horizon", "quantiles")
    for name in given:
        if name not in known:
            near = nearest(str(name), known)
            hint = f"the parameters are {' and '.join(known)}"
            raise ConfigError(f"there is no parameter '{name}'", f"{near} {hint}" if near else hint)


# --- the server -----------------------------------------------------------------------------------------------------


def serve(folder: Path, host: str, port: int, workers: int, timeout: int, ready: Callable[[], None]) -> None:
    """Run MLflow's scoring server over an export until SIGINT or SIGTERM.

    timeout: seconds that one request may take. ready: called once, from another thread, when GET /ping answers.
    Sets this process up for it (MLFLOW_* in its environment), as the workers read that too.
    Raises ConfigError where the server cannot start.
    """
    import threading

    import uvicorn
    from mlflow.pyfunc import scoring_server

    _, environment = scoring_server.get_cmd(str(folder), timeout=timeout)
    os.environ.update(environment)
    done = threading.Event()
    watch = threading.Thread(target=_announce, args=(host, port, ready, done), daemon=True)
    watch.start()
    try:
        uvicorn.run(
            "mlflow.pyfunc.scoring_server.app:app", host=host, port=port, workers=workers, log_level="warning",
            access_log=False, timeout_worker_healthcheck=STARTING,
        )  # fmt: skip
    except SystemExit as problem:
        if problem.code:
            raise ConfigError(
                f"the server could not be started on {host} port {port}", "see above; or choose another --port"
            ) from None
    finally:
        done.set()


def _announce(host: str, port: int, ready: Callable[[], None], done: Any) -> None:
    """Call `ready` once the server is healthy; give up when it is done."""
    from http.client import HTTPConnection, HTTPException

    while not done.wait(0.1):
        connection = HTTPConnection(reachable(host), port, timeout=5)
        try:
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                ready()
                return
        except (OSError, HTTPException):
            continue
        finally:
            connection.close()


def reachable(host: str) -> str:
    """Where a client on this machine finds a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
