"""Fit every named model on the tasks of docs/models.md and print its table of held-out scores.

    python benchmarks/named_models.py [--out models/readme] [--only electricity] [--models gru,linear] [--jobs 2]

Fits that are already in --out are not repeated. ETTh1 is taken from TSFORGE_DATA or the cache (tsforge data get etth1).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MODELS = (
    "rnn", "lstm", "gru", "min-gru", "transformer", "transformer-encoder", "transformer-decoder", "patch-gru",
    "patch-transformer", "cyclenet", "linear", "drift", "naive", "seasonal-naive",
)  # fmt: skip
ETTH1 = "HUFL,HULL,MUFL,MULL,LUFL,LULL,OT"
TASKS = {
    "electricity": ["electricity-demand", "--target", "demand", "--horizon", "48", "--context", "336"],
    "etth1-ot": ["etth1", "--target", "OT", "--horizon", "24"],
    "etth1-all": ["etth1", "--target", ETTH1, "--horizon", "96"],
}
METRICS = ("mase", "mae", "smape", "wql", "coverage_80", "coverage_90")


def fit(task: str, model: str, out: Path) -> dict[str, object]:
    """One command line, as a user would type it; its JSON document."""
    saved = out / f"{task}-{model}.json"
    if not saved.exists():
        command = [
            sys.executable,
            "-m",
            "tsforge",
            "fit",
            *TASKS[task],
            "--model",
            model,
            "--no-track",
            "--json",
        ]
        command += ["--out", str(out / f"{task}-{model}")]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        saved.write_text(done.stdout, encoding="utf-8")
    document: dict[str, object] = json.loads(saved.read_text(encoding="utf-8"))
    return document


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("models/readme"))
    parser.add_argument("--only", choices=TASKS)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time, each with one thread where more than one")
    args = parser.parse_args()
    models = args.models.split(",")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.jobs > 1:
        os.environ["OMP_NUM_THREADS"] = "1"
        with ThreadPoolExecutor(args.jobs) as pool:
            work = [(task, model) for task in TASKS if args.only in (None, task) for model in reversed(models)]
            list(pool.map(lambda w: fit(*w, args.out), work))
    for task in [args.only] if args.only else TASKS:
        print(f"\n`tsforge fit {' '.join(TASKS[task])} --model NAME`\n")
        print("| model | " + " | ".join(METRICS) + " | skill | parameters |")
        print("|---|" + "--:|" * (len(METRICS) + 2))
        for model in models:
            d = fit(task, model, args.out)
            scores = d["scores"][model]  # type: ignore[index]
            cells = [f"{scores[m]:.4g}" for m in METRICS]
            row = [model, *cells, f"{d['skill']:+.1f} %", f"{d['parameters']:,}"]
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
