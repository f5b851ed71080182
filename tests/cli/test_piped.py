"""- stands for standard input and output: the same results, messages that say so, and nothing else on stdout."""

from __future__ import annotations

import gzip
import io
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsforge.cli import output
from tsforge.cli.main import run
from tsforge.cli.standard import write_frame
from tsforge.data.dataset import read as read_data
from tsforge.data.schema import DataConfig
from tsforge.data.table import piped, reading
from tsforge.errors import ConfigError, DataError, TsforgeError
from tsforge.settings import build
from tsforge.sweeping import running
from tsforge.sweeping.config import plan
from tsforge.tracking import recording, reproduction

PLAIN = "day,y\n" + "".join(f"2024-{m:02d}-{d:02d},{10 + d % 7 + m}\n" for m in range(1, 9) for d in range(1, 29))
TABLES = {
    "comma": "t;y\n" + "".join(f"2024-01-{d:02d};{d},5\n" for d in range(1, 31)),
    "above": "Sales of a shop\n\nt,y\n" + "".join(f"2024-01-{d:02d},{d}.50\n" for d in range(1, 31)),
    "western": b"t,y,wo\n" + b"".join(b"2024-01-%02d,%d,caf\xe9\n" % (d, d) for d in range(1, 31)),
    "ragged": "t,y\n2024-01-01,1\n2024-01-02,2,3\n2024-01-03,4\n",
    "open": 't,y\n2024-01-01,"1\n2024-01-02,2\n',
    "page": "<html></html>",
    "zeros": b"\0\0\0\0\0\0\0\0",
    "twice": "t,y\n" + "2024-01-01,1\n" * 4,
}


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """pipe(content) puts text or bytes where a command reads standard input."""

    def put(content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted model, and its table beside it."""
    folder = tmp_path_factory.mktemp("piped")
    (folder / "data.csv").write_text(PLAIN)
    words = ["--horizon", "3", "--model", "linear", "--freq", "D", "--quiet", "--no-track"]
    assert run(["fit", str(folder / "data.csv"), *words, "--out", str(folder / "model")]) == 0
    return folder / "model"


def outcome(source: Any, caplog: pytest.LogCaptureFixture) -> tuple[Any, list[str]]:
    """What reading a table gives, or what stops it, and the notes on the way."""
    caplog.clear()
    try:
        panel = read_data(DataConfig(), source)[1]
        result: Any = (panel.digest(), panel.values.tolist(), panel.schema)
    except TsforgeError as problem:
        result = (type(problem), problem.message, problem.hint)
    return result, list(caplog.messages)


@pytest.mark.parametrize("name", TABLES)
def test_tables_read_as_from_a_file(
    name: str, pipe: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """Prevents: another dialect, decimal sign or line number, or the name of a temporary file in a message."""
    caplog.set_level(logging.INFO, "tsforge")
    content = TABLES[name] if isinstance(TABLES[name], bytes) else str(TABLES[name]).encode()
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    expected = json.dumps(outcome(str(path), caplog), default=str).replace(str(path), "standard input")
    pipe(content)
    assert json.dumps(outcome("-", caplog), default=str) == expected


def test_packed_and_parquet(pipe: Any, tmp_path: Path) -> None:
    """Prevents: a pipe that takes nothing but plain text, or the sign that --decimal names forgotten."""
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=20, freq="D"), "y": np.arange(20) / 2})
    frame.to_parquet(tmp_path / "t.parquet")
    pipe((tmp_path / "t.parquet").read_bytes())
    pd.testing.assert_frame_equal(reading.read(piped.standard_input()).data, frame)
    pipe(gzip.compress(PLAIN.encode()))
    assert len(reading.read(piped.standard_input()).data) == 224
    pipe("t;y\n2024-01-01;1.000\n2024-01-02;2.500\n")
    assert reading.read(piped.standard_input(), decimal=",").cells("y").values.tolist() == [1000, 2500]


def test_predict_in_a_pipe_is_predict(
    model: Path, pipe: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    """Prevents: a line beside the table on stdout, which the next program takes for a row."""
    assert run(["predict", str(model), "--output", str(tmp_path / "f.csv")]) == 0
    capsys.readouterr()
    pipe(PLAIN)
    assert run(["predict", str(model), "-", "--output", "-", "--timings"]) == 0
    said = capsys.readouterr()
    assert said.out == (tmp_path / "f.csv").read_text()
    assert "3 rows in standard output" in said.err


@pytest.mark.parametrize(("words", "first"), [
    (["detect", "MODEL", "-", "--everything", "--rate", "0.2", "--output", "-"], "day,"),
    (["explain", "MODEL", "-", "--output=-"], "day,step,"),
    (["backtest", "MODEL", "-", "--output", "-", "--no-track"], "group,model,"),
    (["predict", "MODEL", "-", "--samples", "10", "--output", "-"], "sample,"),
    (["data", "make", "trend", "--series", "2", "--output", "-"], "id,time,value"),
    (["init", "-", "--freq", "D", "--output", "-"], "# An experiment on standard input"),
    (["report", "MODEL", "-", "--output", "-"], "<!doctype html>"),
], ids=lambda words: words[0] if isinstance(words, list) else "")  # fmt: skip
def test_results_go_to_stdout_alone(
    words: list[str], first: str, model: Path, pipe: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: a command that takes no -, or says something before its table."""
    pipe(PLAIN)
    assert run([str(model) if word == "MODEL" else word for word in words]) == 0
    assert capsys.readouterr().out.lower().startswith(first.lower())


def test_a_table_in_a_pipe_is_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: another encoding than that of a file, or an error, where the locale is a narrow one."""
    raw = io.BytesIO()
    monkeypatch.setattr(output, "_APART", [False])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.check_targets("-", (".csv",), None, [])
    write_frame(pd.DataFrame({"Größe": [1.5]}), "-")
    assert raw.getvalue() == "Größe\n1.5\n".encode()


def test_what_cannot_be_done_is_said(
    model: Path, pipe: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: a command that waits for somebody to type a table, or two readers of one pipe."""

    def refused(*words: str) -> str:
        assert run(list(words)) == 2
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    terminal = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert "standard input is a terminal" in refused("predict", str(model), "-")
    pipe("")
    assert "standard input is empty" in refused("inspect", "-")
    pipe(PLAIN)
    assert "both go to standard output" in refused("predict", str(model), "-", "--output", "-", "--json")
    assert "name one that ends in .csv or .parquet" in refused("backtest", str(model), "-", "--forecasts", "-")
    pipe("seed = 3")
    assert "it is the experiment already" in refused("fit", "-", "--config", "-")
    pipe(PLAIN)
    piped.take("what the client says")  # as the server for assistants does
    assert "standard input cannot be the table: it is what the client says already" in refused("inspect", "-")
    pipe(PLAIN)
    with monkeypatch.context() as several:
        several.setenv("WORLD_SIZE", "2")
        assert "standard input cannot be the table of several processes" in refused("inspect", "-")
    assert "put the table first: tsforge fit - --target y" in refused("fit", "--target", "y", "-")
    assert "there is no column 'nothing'" in refused("fit", "-", "--target", "nothing")


def test_an_experiment_comes_through_a_pipe(pipe: Any) -> None:
    """As tsforge init data.csv | tsforge fit --config - has it; read as often as the command asks."""
    pipe('seed = 3\n[data]\npath = "a.csv"\n')
    assert build({}, "-") == build({}, "-") == build({"seed": 3, "data.path": "a.csv"})
    pipe("seed = \n")
    with pytest.raises(ConfigError, match="standard input: not valid TOML"):
        build({}, "-")


def test_a_sweep_keeps_the_table_for_its_workers(pipe: Any, tmp_path: Path) -> None:
    """Prevents: workers that look for standard input, or another reading of what is kept."""
    pipe(TABLES["comma"])
    settled = running.settle(plan({"data.horizon": 2}, None, {}, [("train.lr", "log(1e-3,1e-2)")]), "-", tmp_path)
    path = Path(str(settled.first.data.path))
    assert path.parent == tmp_path
    assert path.read_bytes() == str(TABLES["comma"]).encode()
    assert read_data(settled.first.data, None)[1].digest() == settled.digest


def test_a_run_remembers_that_its_table_cannot_be_read_again(pipe: Any) -> None:
    """Prevents: a run without the digest of its data, or reproduction that looks for a file named -."""
    pipe(PLAIN)
    config, panel = read_data(DataConfig(), "-")
    described = recording.described(panel, config.path)
    assert (config.path, described["source"], described["digest"]) == (None, "standard input", panel.digest())
    run_of: Any = SimpleNamespace(name="linear-y-h3", params={})
    with pytest.raises(DataError) as problem:
        reproduction._source(run_of, described)
    assert "came from standard input, which cannot be read again" in problem.value.message
    assert problem.value.hint == "name it: tsforge runs reproduce RUN DATA"
