"""A model deployed by Ray Serve: what `predict` says, whoever asks at the same time."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import ray
from ray import serve

import tsforge
from tests.helpers.stores import ROOT
from tests.helpers.tables import daily
from tsforge.adapters.ray_serve import app
from tsforge.data import tidy
from tsforge.errors import ConfigError, ModelError

SETTINGS = {"data.horizon": 4, "data.context": 12, "model.kind": "rnn", "model.width": 16, "train.max_steps": 3}
# A controller gives its proxy five seconds for imports, which take longer on a busy machine, and then starts another.
PATIENT = {
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120", "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "120",
    "RAY_worker_niceness": "0",  # 15 by default, which leaves a worker what other programs do not want
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "m"
    tsforge.fit(tsforge.build(SETTINGS), daily(n=80), out=folder)
    return folder


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A local cluster with Ray Serve; the port at which it listens."""
    own = {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    for name, value in (PATIENT | own).items():
        monkeypatch.setenv(name, value)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        yield port
    finally:
        serve.shutdown()
        ray.shutdown()


def asked(port: int, table: pd.DataFrame, params: dict[str, Any]) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    body = {"dataframe_split": json.loads(table.to_json(orient="split", date_format="iso")), "params": params}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)["predictions"]
    except urllib.error.HTTPError as problem:
        return problem.code, json.load(problem)


def test_answers_are_those_of_predict(model: Path, cluster: int) -> None:
    """Prevents: forecasts that depend on who asks at the same time; requests that `tsforge serve` takes and this does
    not, or refuses and this takes."""
    serve.run(app({"model": str(model), "max_replicas": "1", "cpus": 0.5}))
    table = daily(n=80)
    tables = [part for _, part in table.groupby(table.columns[0])] * 6
    with ThreadPoolExecutor(len(tables)) as pool:
        answers = list(pool.map(lambda part: asked(cluster, part, {"quantiles": [0.1, 0.9]}), tables))
    for part, (status, found) in zip(tables, answers, strict=True):
        wanted = tidy.plain(tsforge.predict(model, part, quantiles=(0.1, 0.9)).frame)
        assert status == 200
        pd.testing.assert_frame_equal(pd.DataFrame(found), wanted, check_dtype=False, rtol=1e-6)
    for other in answers[2:]:
        assert other in answers[:2]  # to the last bit
    status, refusal = asked(cluster, table, {"horizont": 3})
    assert status == 400
    assert "did you mean 'horizon'" in refusal["message"]


def test_what_cannot_be_deployed_is_said_before_it_is(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_replica"):
        app({"model": str(model), "max_replica": "2"})
    with pytest.raises(ConfigError, match="min_replicas = 5 is more than max_replicas = 4"):
        app({"model": str(model), "min_replicas": "5"})
    with pytest.raises(ModelError):
        app({"model": str(tmp_path / "nothing")})
