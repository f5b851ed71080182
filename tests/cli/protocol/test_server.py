"""The server as its package's own client sees it: typed tools, documents as --json has them, errors with their hint."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pandas as pd
import pytest
from mcp import Client

from tsforge.cli.main import run
from tsforge.cli.protocol import calls
from tsforge.cli.protocol.server import build
from tsforge.cli.protocol.tools import ANSWERS, ROWS

Call = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def call(home: Path) -> Call:
    """Call a tool of a server in this process: its document, or what the error says; and the progress it told."""
    days = pd.date_range("2024-01-01", periods=80)
    wave = np.round(20 + 5 * np.sin(2 * np.pi * np.arange(80) / 7), 2)
    parts = [pd.DataFrame({"day": days, "shop": shop, "sold": wave + k}) for k, shop in enumerate("abcdef")]
    pd.concat(parts).to_csv(home / "sales.csv", index=False)
    server = build(home)

    def made(tool: str, told: list[tuple[float, float | None, str | None]] | None = None, **words: Any) -> Any:
        async def tell(done: float, total: float | None, text: str | None) -> None:
            if told is not None:
                told.append((done, total, text))

        async def ask() -> Any:
            async with Client(server) as client:
                return await client.call_tool(tool, words, progress_callback=tell)

        before = logging.getLogger("tsforge").handlers
        answer = anyio.run(ask)
        assert logging.getLogger("tsforge").handlers == before
        text = answer.content[0].text if answer.is_error else ""
        return (answer.structured_content or {}), text

    return made


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


def test_answers_are_the_documents_of_the_commands(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a tool that says something else than its command, or prints what is not for the client."""
    seen, _ = call("inspect", data="sales.csv")
    shown = document(capsys, "inspect", "sales.csv")
    assert {k: v for k, v in seen.items() if k not in ("name", "commands", "command", "notes")} == {
        k: v for k, v in shown.items() if k not in ("name", "commands", "command", "notes")
    }
    capsys.readouterr()
    told: list[tuple[float, float | None, str | None]] = []
    fitted, problem = call(
        "fit", told, data="sales.csv", horizon=7, model="gru", max_steps=6, track=False, out="mine",
        settings={"model.width": 4},
    )  # fmt: skip
    assert problem == ""
    assert (fitted["model"], fitted["kind"], fitted["steps"]) == ("mine", "gru", 6)
    assert any(total == 6 for _, total, _ in told)
    assert all(a[0] < b[0] for a, b in itertools.pairwise(told))
    ahead, _ = call("predict", model="mine", data="sales.csv", quantiles=[0.1, 0.9])
    assert capsys.readouterr() == ("", "")
    shown = document(capsys, "predict", "mine", "sales.csv", "--quantiles", "0.1,0.9")
    assert ahead["forecast"] == shown["forecast"]
    assert ahead["output"] is None
    assert not list(Path(ANSWERS).glob("*"))
    scores, _ = call("backtest", source="mine", data="sales.csv", track=False, windows=2)
    shown = document(capsys, "backtest", "mine", "sales.csv", "--windows", "2", "--no-track")
    assert {**scores, "notes": scores["notes"][:1]} == shown | {"seconds": scores["seconds"]}


def test_long_forecasts_are_files_with_their_head(call: Call) -> None:
    told, _ = call("fit", data="sales.csv", horizon=12, model="naive", track=False)
    ahead, _ = call("predict", model=told["model"], data="sales.csv")
    assert (ahead["rows"], len(ahead["forecast"])) == (72, ROWS)
    written = pd.read_csv(ahead["output"])
    assert len(written) == 72
    assert written["forecast"][:ROWS].tolist() == [row["forecast"] for row in ahead["forecast"]]
    again, _ = call("predict", model=told["model"], data="sales.csv")
    assert again["output"] != ahead["output"]


@pytest.mark.parametrize(
    ("tool", "words", "said"),
    [
        ("inspect", {"data": "../sales.csv"}, ("lies outside", "hint: name a path below")),
        ("inspect", {"data": "sale.csv"}, ("sale.csv: no such file", "hint: ")),
        ("fit", {"data": "sales.csv", "target": "sol", "track": False}, ("'sol'", "hint: did you mean 'sold'")),
        ("fit", {"data": "sales.csv", "settings": {"train.lrr": 1}}, ("no setting 'train.lrr'", "train.lr")),
        ("fit", {"data": "sales.csv", "out": "sales.csv"}, ("exists already", "overwrite")),
        ("fit", {"data": "sales.csv", "horizon": 0}, ("horizon", "greater than or equal to 1")),
        ("predict", {"model": "models/x", "data": "sales.csv"}, ("no folder of a fitted model", "fit answered")),
        ("backtest", {"source": "sales.csv", "settings": {"train.engine": "ray"}}, ("cannot be set", "leave")),
        ("runs", {"names": ["x"]}, ("two runs or more", "hint: ")),
        ("predict", {"model": "zero", "data": "sales.csv", "quantile": [0.5]}, ("quantile", "not permitted")),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_tool_with_their_hint(
    call: Call, tool: str, words: dict[str, Any], said: tuple[str, str]
) -> None:
    answer, problem = call(tool, **words)
    assert not answer
    assert all(part in problem for part in said), problem


def test_a_model_is_not_rolled_on_the_table_that_it_remembers(call: Call) -> None:
    """Prevents: the file that an experiment names being read, wherever it lies."""
    made, _ = call("fit", data="sales.csv", horizon=7, model="naive", track=False)
    answer, problem = call("backtest", source=made["model"], track=False)
    assert not answer
    assert "is a fitted model" in problem
    assert "hint: name its table as data" in problem


def test_a_call_that_is_taken_back_leaves_room_for_the_next(call: Call) -> None:
    def stop(*_: object) -> None:
        raise InterruptedError

    def command() -> object:
        print("begun", file=sys.stderr)
        raise AssertionError("went on")

    with pytest.raises(InterruptedError):
        calls.run(command, stop)
    assert call("inspect", data="sales.csv")[1] == ""


def test_stdout_holds_the_protocol_alone(home: Path) -> None:
    """A process as clients start it: a tool call that prints notes and results, and every line is of the protocol."""
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=40), "sold": np.arange(40.0) % 7})
    frame.to_csv(home / "sales.csv", index=False)
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    words = {"name": "fit", "arguments": {"data": "sales.csv", "model": "naive", "track": False}}
    messages = [
        {"id": 1, "method": "initialize", "params": hello}, {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": words},
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tsforge", "mcp", str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, cwd=home.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    for message in messages:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()
    lines = []
    while not lines or lines[-1].get("id") != 2:
        lines.append(json.loads(process.stdout.readline()))
    process.stdin.close()
    lines += [json.loads(line) for line in process.stdout]
    assert process.wait(30) == 0
    assert all(line["jsonrpc"] == "2.0" for line in lines)
    assert lines[-1]["result"]["structuredContent"]["kind"] == "naive"
    assert (home / "models").is_dir()
