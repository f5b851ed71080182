"""Rows: the steps of the textbook's networks beside the floor's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.speed import program
from benchmarks.speed.options import Options
from benchmarks.speed.tables import NOTHING, Result, markdown, number

TITLE = "Training: windows/s as a share of a hand-written loop's"
ROWS = {
    "w1-lstm": "ETTh1, LSTM",
    "w1-lstm-32": "ETTh1, LSTM in single precision",
    "w1-gru": "ETTh1, GRU",
    "w1-rnn": "ETTh1, RNN",
    "w1-transformer": "ETTh1, Transformer (networks differ)",
    "w2-lstm": "M3 monthly, LSTM",
    "w2-lstm-32": "M3 monthly, LSTM in single precision",
}
MODULE = "benchmarks.speed.ours"


def measure(name: str, options: Options, module: str = MODULE, python: str | None = None) -> dict[str, Any]:
    """Pairs of turns of a program and of the floor."""
    work, _, model = name.partition("-")
    pairs = 2 if options.quick else 5 if model == "transformer" else 9
    chosen = {"python": python} if python else {}
    return program.start(
        module, work, model, options.tables, threads=options.threads, pairs=pairs, size=5 if options.quick else 20,
        extra=["--predict"] if name in ("w1-lstm", "w2-lstm") else [], **chosen,
    )  # fmt: skip


def table(results: Mapping[str, Result]) -> list[str]:
    titles = [
        "work", "data", "floor, ms a step", "tsforge, ms a step", "windows/s", "**share**", "pairs from–to",
        "forecasts of all series, s",
    ]  # fmt: skip
    return markdown(titles, [_row(name, row) for name, row in results.items() if "share" in row], words=2)


def _row(name: str, row: Result) -> list[str]:
    cells = [number(row["floor_ms"]), number(row["ms"]), number(row["windows_per_second"], 4)]
    shares = [f"**{row['share']:.2f}**", f"{row['least']:.2f}–{row['most']:.2f}"]
    return [ROWS[name], row["data"], *cells, *shares, number(row["predict"]) if "predict" in row else NOTHING]
