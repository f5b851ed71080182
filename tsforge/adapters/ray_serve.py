"""A fitted model as a deployment of Ray Serve, with the requests and the answers of `tsforge serve`.

    serve run tsforge.adapters.ray_serve:app model=models/sales max_replicas=4

Every replica runs the application that `tsforge serve` runs. Requests that reach one at the same time are computed
together, up to eight windows at once (`fitted.sharing`), and each is answered to the last bit as if it were alone, on
whatever replica. `serve.batch` would add nothing to this but a wait: it hands lists of requests to one call, whose
series, horizons and levels differ, and whose windows would have to be brought together in the same way.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from tsforge.config import Config, parse
from tsforge.errors import ConfigError
from tsforge.fitted.sharing import ROWS
from tsforge.partitions.ray import Files, packed
from tsforge.runtime.cluster import package

if TYPE_CHECKING:
    from fastapi import FastAPI

AHEAD = 4  # requests for each that a replica computes at once, beyond which others wait in front of it


class Deployment(Config):
    """How a model is deployed; `serve run` gives these as NAME=VALUE, a file for `serve deploy` as `args`.

    model: a model directory, or a recorded model (runs:/RUN, models:/NAME@ALIAS, models:/NAME/VERSION), as the process
    sees that builds the application; its files go to the replicas with it.
    tracking_uri: MLflow store of a recorded model; MLFLOW_TRACKING_URI where None.
    name: of the deployment.
    min_replicas, max_replicas: processes between which Ray scales; 0 at least lets it end all while nobody asks.
    target_requests: at once in each replica, above which more replicas are started.
    cpus: of each replica, and threads that it computes with.
    timeout: seconds that one request may take.
    """

    model: str
    tracking_uri: str | None = None
    name: str = "forecaster"
    min_replicas: int = Field(1, ge=0)
    max_replicas: int = Field(4, ge=1)
    target_requests: float = Field(ROWS, gt=0)
    cpus: float = Field(1, gt=0)
    timeout: int = Field(60, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Deployment:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas = {self.min_replicas} is more than max_replicas = {self.max_replicas}")
        return self


def app(args: dict[str, Any]) -> Any:
    """The application for `serve run`, `serve deploy` and `serve.run`: POST /invocations, GET /ping.

    args: as `Deployment` has them.
    Raises ConfigError for others and where Ray Serve is not installed, ModelError for a model that cannot be loaded.
    """
    wanted = parse(Deployment, args, "args")
    package()
    try:
        from ray import serve
    except ImportError as problem:
        text = f"Ray Serve needs a package that is missing ({problem.name})"
        raise ConfigError(text, "in a checkout: pip install '.[ray-serve]'") from None
    from tsforge.fitted import directory
    from tsforge.tracking import registry

    folder = Path(registry.local(wanted.model, wanted.tracking_uri))
    directory.load(folder)  # what is wrong with it is said here, not in the log of a replica
    scaling = {
        "min_replicas": wanted.min_replicas, "max_replicas": wanted.max_replicas,
        "initial_replicas": max(1, wanted.min_replicas), "target_ongoing_requests": wanted.target_requests,
    }  # fmt: skip
    files = packed(folder)

    def build() -> FastAPI:  # what is no plain function Ray takes for the application itself
        return _server(files, wanted.timeout)

    deployment: Any = serve.deployment(
        serve.ingress(build)(), name=wanted.name, autoscaling_config=scaling, max_ongoing_requests=AHEAD * ROWS,
        ray_actor_options={"num_cpus": wanted.cpus},
    )  # fmt: skip
    return deployment.bind()


def _server(files: Files, timeout: int) -> FastAPI:
    """What a replica runs: the application of `tsforge serve` over the files of a model."""
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    from tsforge.tracking import export, serving

    with tempfile.TemporaryDirectory(prefix="tsforge-serve-") as name:
        folder, exported = Path(name) / "model", Path(name) / "export"
        folder.mkdir()
        for file, content in files.items():
            (folder / Path(file).name).write_bytes(content)
        export.export(folder, exported)
        serving.set_up(exported, timeout)
        return serving.app()  # which has loaded the model by then
