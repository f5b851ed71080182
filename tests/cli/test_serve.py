"""tsforge serve and mlflow models serve, as processes that answer over HTTP and leave nothing behind."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tsforge
from tests.helpers.server import alone
from tests.helpers.tables import daily
from tsforge.cli.main import run
from tsforge.tracking import export

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds for what takes ten on an idle machine


@dataclass(frozen=True)
class Server:
    """A process in a group of its own, and where it answers."""

    process: subprocess.Popen[str]
    port: int
    folder: Path

    def ask(self, body: Any, kind: str | None = "application/json") -> tuple[int, Any]:
        """(status, document) of a POST to /invocations; kind: its Content-Type, none where None."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", "/invocations", content, {} if kind is None else {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else text.decode()

    def healthy(self) -> bool:
        try:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def processes(self) -> bool:
        """Whether any process of the group is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(what: Any, said: str) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, said
        time.sleep(0.05)


@contextmanager
def started(command: list[str], folder: Path, port: int) -> Iterator[Server]:
    """A healthy server; whatever is left of it at the end is killed."""
    temporary = folder / f"tmp-{port}"
    temporary.mkdir()
    paths = {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    settings = {"TMPDIR": str(temporary), "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / f"{port}.out").open("w") as out, (folder / f"{port}.err").open("w") as err:
        process = subprocess.Popen(
            command, cwd=folder, stdout=out, stderr=err, text=True, start_new_session=True,
            env=os.environ | paths | settings,
        )  # fmt: skip
    server = Server(process, port, folder)
    try:
        until(lambda: server.healthy() or process.poll() is not None, "the server does not answer")
        assert process.poll() is None, (folder / f"{port}.err").read_text()
        yield server
    finally:
        if server.processes():
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tsforge_serve(folder: Path, *more: str) -> tuple[list[str], Path, int]:
    port = free_port()
    return [sys.executable, "-m", "tsforge", "serve", "model", "--port", str(port), *more], folder, port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.csv, a model fitted on it, and forecast.csv, what `tsforge predict` writes."""
    folder = tmp_path_factory.mktemp("serve")
    daily(n=60).rename(columns={"item": "shop", "date": "day"}).to_csv(folder / "data.csv", index=False)
    settings = {"data.horizon": 4, "data.context": 12, "model.kind": "rnn", "model.width": 4, "train.max_steps": 3}
    tsforge.fit(tsforge.build(settings), folder / "data.csv", out=folder / "model")
    argv = ["predict", str(folder / "model"), str(folder / "data.csv"), "--quiet"]
    assert run([*argv, "--output", str(folder / "forecast.csv")]) == 0
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One server for all requests; at the end SIGTERM must end it as well as Ctrl-C does."""
    with started(*tsforge_serve(folder)) as server:
        yield server
        server.process.terminate()
        check_end(server)


def check_end(server: Server) -> None:
    """Exit code 0, no process, nothing of ours in the temporary folder, no traceback."""
    assert server.process.wait(PATIENCE) == 0
    until(lambda: not server.processes(), "processes are left")
    assert not list((server.folder / f"tmp-{server.port}").glob("tsforge*"))
    errors = (server.folder / f"{server.port}.err").read_text()
    assert "Traceback" not in errors
    assert errors.endswith("the server has ended\n")


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command run in this process leaves its signal handlers and its environment behind."""
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"):
        monkeypatch.setenv(name, "")  # so that it is put back
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


def rows(folder: Path) -> list[dict[str, str]]:
    """The lines of the CSV, every value as text, as anybody would send them."""
    with (folder / "data.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_answer(server: Server) -> None:
    expected = pd.read_csv(server.folder / "forecast.csv")
    status, answer = server.ask({"dataframe_records": rows(server.folder)})
    assert status == 200
    pd.testing.assert_frame_equal(pd.DataFrame(answer["predictions"]), expected, check_exact=True)
    status, answer = server.ask((server.folder / "data.csv").read_bytes(), "text/csv")
    assert status == 200
    pd.testing.assert_frame_equal(pd.DataFrame(answer["predictions"]), expected, check_exact=True)


def check_refusals(server: Server) -> None:
    table = rows(server.folder)
    less = [{name: value for name, value in row.items() if name != "sold"} for row in table]
    status, answer = server.ask({"dataframe_records": less})
    assert status == 400
    assert "there is no column 'sold'; columns: shop, day" in answer["message"]
    status, answer = server.ask({"inputs": str(server.folder / "data.csv")})
    assert status == 400
    assert "dataframe_split" in answer["message"]


def test_the_answer_is_what_predict_writes(server: Server) -> None:
    check_answer(server)


def test_mistakes_of_the_sender_are_status_400(server: Server) -> None:
    check_refusals(server)


@pytest.mark.parametrize(("params", "said"), [
    ({"horizonn": 3}, "'horizonn'; did you mean 'horizon'?"),
    ({"horizon": 3, "level": [0.5]}, "'level'; the parameters are horizon, quantiles, round"),
])  # fmt: skip
def test_unknown_parameters_are_status_400(server: Server, params: dict[str, Any], said: str) -> None:
    """Prevents: a misspelt parameter that is dropped, with a warning in a log that the sender never sees."""
    status, answer = server.ask({"dataframe_records": rows(server.folder), "params": params})
    assert status == 400
    assert said in answer["message"]
    assert "stack_trace" not in answer


@pytest.mark.parametrize("horizon", [100_000, 10_001, 10**12, 10**30, 0, -3, 2.5, "many", [4], {"a": 1}])
def test_horizons_out_of_bounds_are_status_400(server: Server, horizon: Any) -> None:
    """Prevents: one request that computes for minutes and fills the memory."""
    status, answer = server.ask({"dataframe_records": rows(server.folder), "params": {"horizon": horizon}})
    assert status == 400
    if horizon in (100_000, 10_001):
        assert "10000 steps" in answer["message"]


@pytest.mark.parametrize(
    "kind", [None, "", " ", "nonsense", "text/plain", "application/json; charset=nonsense", "/;;="]
)
def test_a_content_type_that_says_nothing_is_no_error_of_ours(server: Server, kind: str | None) -> None:
    """Prevents: status 500 for a request that leaves the header out, or writes something else in it."""
    status, answer = server.ask({"dataframe_records": rows(server.folder)}, kind)
    assert 400 <= status < 500
    if not (kind or "").strip():
        assert "Content-Type" in answer["message"]


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    """Prevents: a server without passwords that answers the network."""
    assert alone(server.port)


def test_a_request_too_large_is_refused_unread(server: Server) -> None:
    """Prevents: memory that fills with what is sent."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    headers = {"Content-Type": "application/json", "Content-Length": str(10**12)}
    connection.request("POST", "/invocations", b"{", headers)
    answer = connection.getresponse()
    assert answer.status == 400
    assert "more than 200000000" in json.loads(answer.read())["message"]


@pytest.mark.parametrize("body", [b"{", b'["params"]', b'{"params": 3}', b'{"params": {"horizon": 2}}'])
def test_requests_without_a_table_are_status_400(server: Server, body: bytes) -> None:
    """Prevents: status 500 from a look at parameters where there are none to see."""
    status, answer = server.ask(body)
    assert status == 400
    assert "did you mean" not in answer["message"]


def test_parameters_over_http(server: Server) -> None:
    params = {"horizon": 2, "quantiles": [0.1, 0.9]}
    status, answer = server.ask({"dataframe_records": rows(server.folder), "params": params})
    assert status == 200
    expected = pd.read_csv(server.folder / "forecast.csv")[["shop", "day", "forecast", "q0.1", "q0.9"]]
    expected = expected.groupby("shop").head(2).reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.DataFrame(answer["predictions"]), expected, check_exact=True)


def test_the_line_to_paste_works(server: Server) -> None:
    """Prevents: an example that is right in the README and wrong in the terminal."""
    out = server.folder / f"{server.port}.out"
    until(lambda: out.read_text().endswith("\n"), "no line to paste")
    (line,) = out.read_text().splitlines()
    done = subprocess.run(shlex.split(line), cwd=server.folder, capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)["predictions"]) == 8


@pytest.mark.usefixtures("handlers")
def test_a_taken_port_is_said(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", str(server.folder / "model"), "--port", str(server.port)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert f"port {server.port}" in first
    assert "--port" in second
    assert server.healthy()


def test_ctrl_c_ends_every_worker(folder: Path) -> None:
    """Prevents: workers without a master. A terminal sends Ctrl-C to all of them."""
    with started(*tsforge_serve(folder, "--workers", "2")) as server:
        os.killpg(server.process.pid, signal.SIGINT)
        check_end(server)


def test_mlflow_models_serve(folder: Path) -> None:
    """Prevents: an export that only our own command can serve."""
    export.export(folder / "model", folder / "export")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "export", "--port", str(port)]
    with started([*command, "--env-manager", "local"], folder, port) as server:
        check_answer(server)
        check_refusals(server)
        status, _ = server.ask({"dataframe_records": rows(folder), "params": {"horizonn": 3}})
        assert status == 200  # MLflow's own server drops it before any code of the model runs
        assert "Unrecognized params ['horizonn']" in (folder / f"{port}.err").read_text()


@pytest.mark.usefixtures("handlers", "home")
@pytest.mark.parametrize(("argv", "said"), [
    (["nothing"], "no such model directory"),
    ([".", "--port", "0"], "--port 0"),
    ([".", "--workers", "0"], "--workers 0"),
    ([".", "--timeout", "0"], "--timeout 0"),
    ([".", "--host", "no.such.host.invalid"], "no.such.host.invalid"),
])  # fmt: skip
def test_what_cannot_be_served(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv = argv if "--port" in argv else [*argv, "--port", str(free_port())]
    assert run(["serve", *argv]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "hint: " in err
    assert "Traceback" not in err
