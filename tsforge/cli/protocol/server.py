"""The Model Context Protocol server: its tools with their types, errors that carry their hint, and progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.from_thread
import anyio.to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from tsforge.cli.protocol.calls import Told
from tsforge.cli.protocol.fence import Fence
from tsforge.cli.protocol.tools import ROWS, Columned, Columns, Tools
from tsforge.errors import TsforgeError
from tsforge.version import __version__

INSTRUCTIONS = (
    "tsforge forecasts time series. Begin with inspect, which says what it sees in a table; fit trains a model on it, "
    "scores it on the held-out end beside simple baselines, and answers with the folder of the model; predict "
    "forecasts with it, or with the pretrained model 'zero' without a fit; backtest judges it over many forecast "
    "origins. All paths are below the folder of the server. An error says what is wrong and, behind 'hint:', what to "
    "do."
)
Data = Annotated[str, Field(description="Table: CSV or Parquet below the folder of the server, or a data set by name")]
Column = Annotated[Columns, Field(description="Name of a column, or several; where left out, as the table shows")]
Settings = Annotated[
    dict[str, Any] | None,
    Field(description="Dotted settings, as {'data.freq': 'h', 'train.lr': 0.01, 'model.width': 32}"),
]
Count = Annotated[int | None, Field(ge=1)]
Track = Annotated[bool, Field(description="Whether to record the run in MLflow")]
Model = Annotated[str, Field(description="Folder of a fitted model, or zero")]
Kind = Annotated[
    str | None, Field(description="auto (a tournament), gru, lstm, transformer, linear, ets, theta, zero, ...")
]
TOOLS = ("inspect", "fit", "predict", "backtest", "compare", "runs")
Progressing = Context[Any, Any]


def build(root: Path) -> MCPServer[Any]:
    """The server of one folder."""
    server: MCPServer[Any] = MCPServer(
        "tsforge", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING"
    )  # fmt: skip
    tools = Tools(Fence(root))
    _reading(server, tools)
    _training(server, tools)
    _refuse_unknown(server)
    return server


def _refuse_unknown(server: MCPServer[Any]) -> None:
    """Let arguments that a tool does not have be errors, which the package passes over."""
    for name in TOOLS:
        tool = server._tool_manager.get_tool(name)
        assert tool is not None
        model = tool.fn_metadata.arg_model
        model.model_config["extra"] = "forbid"
        model.model_rebuild(force=True)
        tool.parameters = model.model_json_schema(by_alias=True)


def _reading(server: MCPServer[Any], tools: Tools) -> None:
    """The tools that train nothing."""

    @server.tool()
    async def inspect(
        data: Data, ctx: Progressing, target: Column = None, time: Column = None, id: Column = None,  # noqa: A002
        settings: Settings = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Show what tsforge sees in a table (columns, series, frequency, problems), and a command to start with."""
        columns = Columned(target, time, id)
        return await _answer(ctx, lambda tell: tools.inspect(data, columns, settings, tell))

    @server.tool()
    async def predict(
        model: Model, data: Data, ctx: Progressing, horizon: Count = None, quantiles: list[float] | None = None,
        future_data: str | None = None, output: str | None = None, overwrite: bool = False, settings: Settings = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Forecast what comes after the end of a table, with quantiles; a long forecast is written to a file.

        settings: of zero alone, how the table is read, as {"data.target": "sold"}; of a fitted model data.events.
        """
        ahead = {"horizon": horizon, "quantiles": quantiles, "future_data": future_data}
        place = (output, overwrite)
        return await _answer(ctx, lambda tell: tools.predict(model, data, ahead, place, settings, tell))

    @server.tool()
    async def runs(
        ctx: Progressing, names: list[str] | None = None, experiment: str | None = None
    ) -> dict[str, Any]:  # fmt: skip
        """List the runs that MLflow has recorded, the best first; with names, set these side by side."""
        return await _answer(ctx, lambda tell: tools.runs(names or [], experiment, tell))


def _training(server: MCPServer[Any], tools: Tools) -> None:
    """The tools that may train."""

    @server.tool()
    async def fit(
        data: Data, ctx: Progressing, target: Column = None, time: Column = None, id: Column = None,  # noqa: A002
        past: Column = None, future: Column = None, static: Column = None, horizon: Count = None, model: Kind = None,
        max_steps: Count = None, max_time: str | None = None, holidays: str | None = None, events: str | None = None,
        settings: Settings = None, out: str | None = None, overwrite: bool = False, track: Track = True,
    ) -> dict[str, Any]:  # fmt: skip
        """Train a model on a table and score it on the held-out end beside baselines; answers with its folder.

        max_time: as "90s" or "5m". holidays: country codes, as "DE-BY,FR". out: folder for the model.
        """
        columns = Columned(target, time, id, past, future, static)
        fitted = {
            "horizon": horizon, "model": model, "max_steps": max_steps, "max_time": max_time,
            "holidays": [holidays] if holidays else None, "events": events, "settings": settings,
        }  # fmt: skip
        place = (out, overwrite, track)
        return await _answer(ctx, lambda tell: tools.fit(data, columns, fitted, place, tell))

    @server.tool()
    async def backtest(
        source: Annotated[str, Field(description="Folder of a fitted model, with data; or a table, fitted on the way")],
        ctx: Progressing, data: str | None = None, windows: Count = None, stride: Count = None, refit: Count = None,
        metrics: list[str] | None = None, model: Kind = None, horizon: Count = None, target: Column = None,
        id: Column = None, max_steps: Count = None, settings: Settings = None,  # noqa: A002
        forecasts: str | None = None,
        track: Track = True,
    ) -> dict[str, Any]:  # fmt: skip
        """Judge a model on data it never saw, origin by origin, beside baselines.

        model, horizon, target, id, max_steps, settings: of a table that is fitted on the way. forecasts: a .parquet or
        .csv file for every forecast beside its truth.
        """
        rolled = {
            "windows": windows, "stride": stride, "refit": refit, "metrics": metrics, "track": track,
            "forecasts": forecasts,
        }  # fmt: skip
        fitted = {
            "model": model, "horizon": horizon, "max_steps": max_steps, "settings": settings,
            **Columned(target, None, id).given(),
        }  # fmt: skip
        return await _answer(ctx, lambda tell: tools.backtest(source, data, rolled, fitted, tell))

    @server.tool()
    async def compare(
        data: Data, ctx: Progressing, models: list[str] | None = None, seeds: Count = None, horizon: Count = None,
        max_steps: Count = None, target: Column = None, id: Column = None, probes: bool = False,  # noqa: A002
        settings: Settings = None, out: str | None = None, track: Track = True,
    ) -> dict[str, Any]:  # fmt: skip
        """Put network architectures side by side on a table: the same windows, loss, budget and parameters.

        probes: measure the architectures themselves too, which takes minutes.
        """
        compared = {"models": models or [], "seeds": seeds, "probes": probes}
        fitted = {
            "horizon": horizon, "max_steps": max_steps, "settings": settings, **Columned(target, None, id).given(),
        }  # fmt: skip
        return await _answer(ctx, lambda tell: tools.compare(data, compared, fitted, (out, track), tell))


async def _answer(ctx: Progressing, work: Callable[[Told], dict[str, Any]]) -> dict[str, Any]:
    """Run a command on a thread, pass its progress on, and make its errors those of the tool.

    A call that the client takes back ends at the next sign of progress.
    """

    def tell(done: float, total: float | None, text: str) -> None:
        anyio.from_thread.check_cancelled()
        anyio.from_thread.run(ctx.report_progress, done, total, text)

    try:
        return await anyio.to_thread.run_sync(work, tell)
    except TsforgeError as problem:
        raise ToolError(problem.message + (f"\nhint: {problem.hint}" if problem.hint else "")) from None


def serve(root: Path) -> None:
    """Answer on stdin and stdout until the client has gone."""
    build(root).run("stdio")


__all__ = ["ROWS", "build", "serve"]
