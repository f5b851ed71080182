"""The size of a report of many series, and the seconds it takes: python benchmarks/report_size.py [--series 100]"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import tsforge

STEPS, HORIZON = 400, 28


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=100)
    count = parser.parse_args().series
    random, days = np.random.default_rng(0), pd.date_range("2023-01-01", periods=STEPS, freq="D")
    parts = [
        pd.DataFrame({"id": f"series {k}", "day": days, "value": 100 + random.normal(size=STEPS).cumsum()})
        for k in range(count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        fitted = tsforge.fit(pd.concat(parts), horizon=HORIZON, model="theta", progress=False)
        start = time.perf_counter()
        fitted.report(path)
        print(f"{count} series: {path.stat().st_size / 1e6:.2f} MB in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
