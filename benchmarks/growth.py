"""How the cost of training grows with the table: windows/s from 10 to 100,000 series, and memory by rows, as a picture.

    python benchmarks/growth.py                            # docs/speed-growth.png, some ten minutes
    python benchmarks/growth.py --sizes 10,100 --rounds 1 --output growth.png

Series of 40 days, an LSTM over 24 of them that forecasts 6, batches of 64. A size is a process of its own, which reads
a Parquet file and trains on it with `fit`, in turns with a hand-written loop over the same values; sizes take turns in
rounds, medians count. Seconds are those of the processor, of one thread, which other programs disturb least. Memory is
the most that the process held before the hand-written loop was there, less what it held before it read the file.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.speed import machine, program, reading
from benchmarks.speed.pace import Pace
from benchmarks.speed.tables import markdown, number
from benchmarks.speed.works import TARGET, Table, Work

SIZES = (10, 100, 1_000, 10_000, 30_000, 100_000)
LENGTH = 40
WORK = Work("growth", context=24, horizon=6, batch=64, freq="D", start="2015-01-01")
PICTURE = machine.ROOT / "docs" / "speed-growth.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(word) for word in text.split(",")], default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=PICTURE, metavar="PNG")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(measure(asked.child)), flush=True)
        return
    rows = rounds(asked.sizes, asked.rounds)
    cells = [
        [f"{size:,}", f"{size * LENGTH:,}", *(number(row[name]) for name in ("own", "floor", "share", "mib"))]
        for size, row in rows.items()
    ]
    print(
        "\n".join(
            markdown(["series", "rows", "windows/s of the processor", "hand-written", "share", "MiB"], cells, words=0)
        )
    )
    print(machine.sentence(machine.describe()))
    draw(rows, asked.output)


def rounds(sizes: list[int], count: int) -> dict[int, dict[str, float]]:
    """By size: windows/s of both, their ratio, and the memory, each a median."""
    results: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            for size in sizes:
                path = reading.write(Path(folder) / f"{size}.parquet", size, LENGTH)
                command = [sys.executable, str(Path(__file__).resolve()), "--child", str(path)]
                result = program.run(command, threads=1, limit=600)
                if "failed" in result:
                    sys.exit(f"error: {size} series: {result['failed']}")
                words = f"{size} series: {result['own']:.0f} windows/s, {result['mib']:.0f} MiB"
                print(words, file=sys.stderr, flush=True)
                results[size].append(result)
    names = ("own", "floor", "share", "mib")
    return {size: {name: statistics.median(r[name] for r in own) for name in names} for size, own in results.items()}


def measure(path: Path) -> dict[str, float]:
    """In a process of its own: train on a file, beside a hand-written loop over the same values."""
    import pyarrow.parquet as pq
    import torch

    from benchmarks.speed import ours
    from benchmarks.speed.floor import Floor

    logging.disable(logging.WARNING)
    before, steps, memory = machine.peak_memory(), [], []

    def floor(count: int) -> None:
        """The loop is made at its first turn, behind the measure of memory."""
        if not steps:
            memory.append(machine.peak_memory() - before)
            values = pq.read_table(path, columns=[TARGET])[TARGET].to_numpy()
            offsets = torch.arange(0, len(values) + 1, LENGTH).numpy()
            steps.append(Floor("lstm", WORK, Table(values, offsets, "")).steps)
        steps[0](count)

    pace = Pace(floor, pairs=5, clock=time.process_time)
    ours.turns(
        ours.settings(WORK, "lstm") | ours.fixed_threads(torch.get_num_threads()), path, pace.pair, time.process_time
    )
    result = pace.result(WORK.batch)
    floor_pace = 1e3 * WORK.batch / result["floor_ms"]
    return {"own": result["windows_per_second"], "floor": floor_pace, "share": result["share"], "mib": memory[0]}


def draw(rows: dict[int, dict[str, float]], path: Path) -> None:
    """Windows/s by series, and memory by rows beside a straight line."""
    from tsforge.plotting.style import BLUE, GREY, canvas, clean, save, scale_log

    figure = canvas(3.6)
    left, right = (clean(axis) for axis in figure.subplots(1, 2))
    sizes = list(rows)
    for name, label, colour in (("floor", "hand-written loop", GREY), ("own", "tsforge", BLUE)):
        left.plot(sizes, [rows[size][name] for size in sizes], marker="o", markersize=4, color=colour, label=label)
    scale_log(left, "x")
    left.set(xlabel="series", ylabel="windows per second of the processor", title="Training an LSTM", ylim=(0, None))
    left.legend(frameon=False)
    counts = [size * LENGTH / 1e6 for size in sizes]
    right.plot(counts, [rows[size]["mib"] for size in sizes], marker="o", markersize=4, color=BLUE)
    right.set(xlabel="million rows", ylabel="MiB", title="Memory, at its most", ylim=(0, None), xlim=(0, None))
    save(figure, path)


if __name__ == "__main__":
    main()
