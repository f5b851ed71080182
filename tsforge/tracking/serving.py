"""What MLflow runs over an exported model (`flavour.py`): the pyfunc, and its own scoring server around it."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd  # MLflow reads the annotations of `predict`
from mlflow.pyfunc import PyFuncModel, PythonModel

from tsforge.data import tidy
from tsforge.errors import ConfigError, DataError, TsforgeError, nearest
from tsforge.fitted import directory, prediction

STARTING = 30  # seconds that a worker may be deaf while it imports torch; by itself uvicorn replaces it after 5


class Forecaster(PythonModel):  # type: ignore[misc]
    """What MLflow loads from an export: a table in, the tidy table of `tsforge predict` out."""

    def load_context(self, context: Any) -> None:
        """context.artifacts["model"]: the model directory."""
        self.model = directory.load(context.artifacts["model"])

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
            return tidy.plain(found.frame)
        except TsforgeError as problem:
            message = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
            raise mlflow.MlflowException.invalid_parameter_value(message) from problem


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
