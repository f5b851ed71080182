"""Windows/s of every network on a GPU: data resident on it, brain floats, fused optimiser, graphs, trials side by side.

    python -m benchmarks.gpu                                # a machine with CUDA: make bench-gpu
    python -m benchmarks.gpu --device cpu --quick           # the same code where there is no GPU; CUDA's rows left out

Nothing is needed beyond torch, pytorch-lightning and what `import tsforge` asks for; nothing is fetched. The works are
those of `benchmarks.speed`. Ways of one network take turns; the median of their rounds counts. What fails says so in
its row, and the others go on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

import tsforge
from benchmarks.gpu import ways
from benchmarks.speed import machine, ours, works
from benchmarks.speed.floor import MODELS, Floor
from benchmarks.speed.page import paste
from benchmarks.speed.tables import NOTHING, markdown, number
from tsforge.batch import Batch
from tsforge.data.dataset import Dataset
from tsforge.data.loader import WindowLoader, WindowSource
from tsforge.training import single, stacked
from tsforge.training.fitting import prepare

OUTPUT = machine.ROOT / "benchmarks" / "out" / "gpu.json"
NETWORKS = (
    "rnn", "lstm", "gru", "min-gru", "min-lstm", "transformer", "transformer-encoder", "patch-gru", "patch-lstm",
    "patch-transformer", "inverted-transformer", "nlinear",
)  # fmt: skip
BATCHES = (64, 1024)
SIDE_BY_SIDE = (2, 4, 8, 16)  # trials


def main() -> None:
    asked, begin = _arguments(), time.perf_counter()
    logging.disable(logging.WARNING)
    if asked.tables:
        show(json.loads(asked.tables.read_text(encoding="utf-8")), asked.page)
        return
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: no CUDA device is available\nhint: --device cpu runs the same code, without the rows of CUDA")
    saved: dict[str, Any] = {"machine": machine.describe(), "device": asked.device, "gpu": gpu(asked.device),
                             "quick": asked.quick, "rows": [], "not_begun": []}  # fmt: skip
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    table = works.tables(asked.etth1)["w1"]
    for kind, batch in itertools.product(asked.networks, asked.batches):
        if time.perf_counter() - begin > asked.limit:
            saved["not_begun"].append(f"{kind} {batch}")
            continue
        print(f"{time.strftime('%H:%M:%S')} {kind}, batches of {batch}", file=sys.stderr, flush=True)
        saved["rows"].append(network(kind, batch, table, asked.device, asked.quick))
        asked.output.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    show(saved, asked.page)
    print(f"\nevery figure: {asked.output}", file=sys.stderr)


def show(saved: Mapping[str, Any], page: Path | None) -> None:
    """Print the tables, and write them into a page where one is asked for."""
    print("\n".join(report(saved)))
    if page is not None:
        paste(page, "gpu", report(saved))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--networks", type=lambda text: text.split(","), default=list(NETWORKS))
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=list(BATCHES))
    parser.add_argument("--limit", type=float, default=1_500, help="seconds after which no row begins (default: 1500)")
    parser.add_argument("--quick", action="store_true", help="few steps: whether all works")
    parser.add_argument("--etth1", type=Path, metavar="CSV", help="the file of ETTh1")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="JSON", help="where to save")
    parser.add_argument("--tables", type=Path, metavar="JSON", help="print the tables of an earlier run")
    parser.add_argument("--page", type=Path, metavar="MD", help="write the tables into a page, as docs/speed.md")
    return parser.parse_args()


def gpu(device: str) -> str:
    """What the device is, in words."""
    if device != "cuda":
        return "no GPU"
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"


def network(kind: str, batch: int, table: works.Table, device: str, quick: bool) -> dict[str, Any]:
    """One network with one size of batches: milliseconds a step of every way, and what several trials gain."""
    work = works.WORKS["w1"]
    values = ours.settings(work, kind) | {"train.batch_size": batch, "train.device": device}
    experiment = tsforge.build(values)
    dataset = prepare(experiment, table.frame(work))
    experiment = experiment.on(dataset.config, dataset.sizes.narrow)
    steps: dict[str, ways.Step] = {}
    left_out: dict[str, str] = {}
    if kind in MODELS:
        floor = Floor(kind, works.Work(**{**vars(work), "batch": batch}), table, device)
        steps["hand-written"] = lambda: floor.steps(1)
    for way in ways.WAYS:
        try:
            source = _on_host(dataset, device) if way == "host" else dataset.source
            steps[way] = ways.step(way, single.untrained(experiment, dataset), _endless(source, dataset, batch), device)
            steps[way]()
        except Exception as problem:
            steps.pop(way, None)
            left_out[way] = f"{problem if isinstance(problem, ways.NotHere) else repr(problem)[:200]}"
    milliseconds = timed(steps, device, quick)
    gains: dict[str, float | str] = {}
    for count in SIDE_BY_SIDE[:1] if quick else SIDE_BY_SIDE:
        try:
            gains[str(count)] = stacked.gain(experiment, dataset, count)
        except Exception as problem:
            gains[str(count)] = repr(problem)[:200]
    return {"network": kind, "batch": batch, "ms": milliseconds, "left_out": left_out, "side_by_side": gains}


def _on_host(dataset: Dataset, device: str) -> WindowSource:
    """The same windows from a table that the device does not hold."""
    ways.check("host", device)
    source = dataset.source
    host = WindowSource.__new__(WindowSource)
    for name, value in vars(source).items():
        setattr(host, name, value.cpu() if isinstance(value, torch.Tensor) and name != "_view" else value)
    host._rows = host._rows.pin_memory()
    host._view = host._rows.as_strided(source._view.shape, source._view.stride())
    return host


def _endless(source: WindowSource, dataset: Dataset, batch: int) -> Iterator[Batch]:
    """Full batches without end."""
    loader = WindowLoader(source, dataset.parts.train, batch, seed=1)
    while True:
        for one in loader:
            if len(one.truth.target) == batch:
                yield one


def timed(steps: Mapping[str, ways.Step], device: str, quick: bool) -> dict[str, float]:
    """Milliseconds a step of every way: medians of rounds in which all have a turn."""
    rounds, size = (1, 2) if quick else (7, 30)
    each: dict[str, list[float]] = {way: [] for way in steps}
    for _ in range(rounds):
        for way, step in steps.items():
            step()
            _settle(device)
            begin = time.perf_counter()
            for _ in range(size):
                step()
            _settle(device)
            each[way].append(1e3 * (time.perf_counter() - begin) / size)
    return {way: statistics.median(times) for way, times in each.items()}


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def report(saved: Mapping[str, Any]) -> list[str]:
    """The tables, why ways were left out, and what it was measured on."""
    columns = ("hand-written", *ways.WAYS)
    body = [[row["network"], row["batch"], *(_pace(row, way) for way in columns)] for row in saved["rows"]]
    lines = ["### Windows/s by way", "", *markdown(["network", "batch", *columns], body), ""]
    counts = sorted({count for row in saved["rows"] for count in row["side_by_side"]}, key=int)
    body = [
        [row["network"], row["batch"], *(_gain(row["side_by_side"].get(count)) for count in counts)]
        for row in saved["rows"]
    ]
    lines += ["### Trials side by side: times as fast as one after the other", ""]
    lines += [*markdown(["network", "batch", *counts], body), ""]
    reasons: dict[str, list[str]] = {}
    for row in saved["rows"]:
        for way, why in row["left_out"].items():
            reasons.setdefault(f"{way}: {why}", []).append(f"{row['network']} {row['batch']}")
    lines += [f"- left out, {reason} ({len(where)} rows, as {where[0]})" for reason, where in reasons.items()]
    if saved["not_begun"]:
        lines.append(f"- not begun, as the time was up: {', '.join(saved['not_begun'])}")
    few = " Measured with --quick: the figures say little." if saved["quick"] else ""
    return [*lines, "", f"{saved['gpu']}. {machine.sentence(saved['machine'])}{few}"]


def _pace(row: Mapping[str, Any], way: str) -> str:
    return number(1e3 * row["batch"] / row["ms"][way]) if way in row["ms"] else NOTHING


def _gain(value: float | str | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else NOTHING


if __name__ == "__main__":
    main()
