"""What programs share to read a table from a file up to the first batch that training sees."""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.speed import machine, program
from benchmarks.speed.works import ID, TARGET, TIME


class FirstBatch(Exception):  # noqa: N818 (nothing went wrong)
    """The first batch is there."""

    @classmethod
    def callback(cls, base: type) -> Any:
        """A callback of a Lightning Trainer that raises this at its first batch.

        base: the Callback class of that program's Lightning.
        """

        class First(base):  # type: ignore[misc]
            def on_train_batch_start(self, *_: Any) -> None:
                raise FirstBatch

        return First()


def read_frame(path: Path) -> Any:
    """A CSV or Parquet file as a user of pandas reads it: times parsed, values in single precision."""
    import pandas as pd

    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, parse_dates=[TIME], dtype={TARGET: "float32", ID: "object"})


def main() -> None:
    """Print as JSON the seconds from a file to the first batch of a program, and the memory at its most."""
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("path", type=Path)
    asked = parser.parse_args()
    peer = importlib.import_module(asked.module)
    program.quiet()
    before, others, begin = machine.peak_memory(), machine.Others(), time.perf_counter()
    try:
        peer.first_batch(asked.path)
    except FirstBatch:
        seconds = time.perf_counter() - begin
        result = {"seconds": seconds, "peak_mib": machine.peak_memory(), "before_mib": before, "others": others.cores()}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
