"""What MLflow loads from an exported model (`export.py`), and its scoring server, which refuses unknown parameters."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd  # MLflow reads the annotations of `predict`
from mlflow.pyfunc import PythonModel

from tsforge.data import tidy
from tsforge.errors import ConfigError, DataError, TsforgeError, listing, nearest
from tsforge.fitted import directory, prediction, reconciled
from tsforge.fitted.sharing import Shared
from tsforge.runtime import garbage

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

PARAMETERS = ("horizon", "quantiles", "round")
LONGEST = 10_000  # steps that one request may ask for, where the model's own horizon is not longer
LARGEST = 200_000_000  # bytes of a request
STARTING = 30  # seconds that a worker may be deaf while it imports torch; by itself uvicorn replaces it after 5


class ServedModel(PythonModel):  # type: ignore[misc]
    """What MLflow loads from an export: a table in, the tidy table of `tsforge predict` out."""

    def load_context(self, context: Any) -> None:
        """context.artifacts["model"]: the model directory. Requests at the same time share its network's batches."""
        model = directory.load(context.artifacts["model"])
        self.model = replace(model, network=Shared(model.network))

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Forecasts from the end of each series, as `tidy.plain` shows them.

        params: horizon (steps), quantiles (levels of the model) and round (whether to whole numbers, where the values
        of a series always were); what is left out is as the model has it.
        Raises MlflowException, which the server answers as status 400, with the words of our own errors.
        """
        try:
            params = dict(params or {})
            check_names(params)
            prediction.check_horizon(params.get("horizon"), max(LONGEST, self.model.shape.horizon))
            whole = params.pop("round", False)
            if not isinstance(model_input, pd.DataFrame):
                hint = "send dataframe_split, dataframe_records, CSV or Parquet; in Python, a data frame"
                raise DataError(f"a table cannot be read from {type(model_input).__name__}", hint)
            made = reconciled.predict(self.model, model_input, **params)
            return tidy.plain((made.rounded() if whole else made).frame)
        except TsforgeError as problem:
            raise _status_400(problem) from problem


def check_names(params: Iterable[str]) -> None:
    """Raises ConfigError for the first parameter that no model has."""
    for name in params:
        if name not in PARAMETERS:
            near = nearest(name, PARAMETERS)
            hint = f"the parameters are {listing(PARAMETERS)}"
            raise ConfigError(f"there is no parameter '{name}'", f"{near} {hint}" if near else hint)


def _status_400(problem: TsforgeError) -> mlflow.MlflowException:
    message = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
    return mlflow.MlflowException.invalid_parameter_value(message)


# --- the server -----------------------------------------------------------------------------------------------------


def app() -> FastAPI:
    """MLflow's scoring server over the export that the environment names, made once in every worker.

    MLflow drops parameters that a signature does not name before any code of a model runs, with a warning in the
    server's log that a caller never sees. Here they are refused before MLflow reads the request.
    """
    garbage.own_process()
    with garbage.paused():  # a search through all that is imported would be a pause within an answer
        from fastapi import Response
        from mlflow.pyfunc.scoring_server import app as scoring

    async def refuse(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            if request.method == "POST":
                _check_headers(request.headers)
            check_names(_params(await request.body()))
        except ConfigError as problem:
            refusal = _status_400(problem)
            return Response(refusal.serialize_as_json(), refusal.get_http_status_code(), media_type="application/json")
        return await go_on(request)

    server: FastAPI = scoring.app
    server.middleware("http")(refuse)
    return server


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raises ConfigError for a request that does not say what it holds, or that holds too much."""
    if not headers.get("content-type", "").strip():
        raise ConfigError("the request has no Content-Type", "say application/json or text/csv")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LARGEST:
        hint = "send fewer series or rows at a time"
        raise ConfigError(f"the request is of {length} bytes, more than {LARGEST}", hint)


def _params(body: bytes) -> dict[str, Any]:
    """The parameters in a request; none where it is no JSON with parameters, about which MLflow has its own words."""
    with suppress(ValueError, TypeError, KeyError):
        if b'"params"' in body:
            return dict(json.loads(body)["params"])
    return {}


@dataclass(frozen=True)
class Listening:
    """Where a server listens, with how many processes, and how many seconds one request may take."""

    host: str
    port: int
    workers: int
    timeout: int

    @property
    def reachable(self) -> str:
        """The host as a client on this machine names it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)


def set_up(folder: Path, timeout: int) -> None:
    """Have `app` in this process, and in those that it starts, serve an export. timeout: seconds of one request."""
    from mlflow.pyfunc import scoring_server

    _, environment = scoring_server.get_cmd(str(folder), timeout=timeout)
    os.environ.update(environment)


def serve(folder: Path, listening: Listening, ready: Callable[[], None]) -> None:
    """Run MLflow's scoring server over an export until SIGINT or SIGTERM.

    ready: called once, from another thread, when GET /ping answers.
    Sets this process up for it (MLFLOW_* in its environment), as the workers read that too.
    Raises ConfigError where the server cannot start.
    """
    import uvicorn

    set_up(folder, listening.timeout)
    done = threading.Event()
    watch = threading.Thread(target=_announce, args=(listening, ready, done), daemon=True)
    watch.start()
    try:
        uvicorn.run(
            "tsforge.tracking.serving:app", factory=True, host=listening.host, port=listening.port,
            workers=listening.workers, log_level="warning", access_log=False, timeout_worker_healthcheck=STARTING,
        )  # fmt: skip
    except SystemExit as problem:
        if problem.code:
            text = f"the server could not be started on {listening.host} port {listening.port}"
            raise ConfigError(text, "see above; or choose another `port`") from None
    finally:
        done.set()


def _announce(listening: Listening, ready: Callable[[], None], done: threading.Event) -> None:
    """Call `ready` once the server is healthy; give up when it is done."""
    from http.client import HTTPConnection, HTTPException

    healthy = False
    while not healthy and not done.wait(0.1):
        connection = HTTPConnection(listening.reachable, listening.port, timeout=5)
        with closing(connection), suppress(OSError, HTTPException):
            connection.request("GET", "/ping")
            healthy = connection.getresponse().status == 200
    if healthy:
        ready()
