"""What README and the tutorial say, done with an installed tsforge, in an empty folder outside of any checkout.

python -m tests.helpers.installed BIN, where BIN is the folder with its command; `make installed` makes that first.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorial").glob("*.md"))]
LEFT_OUT = (
    "make ",
    "pip ",
    "tsforge serve",
    "tsforge ui",
    "tsforge runs reproduce",
)  # of a checkout, or without an end
QUICK = {  # what is added to commands that take minutes
    "tsforge sweep": "--trials 2 --refit 1 --seeds 1 --max-steps 5",
    "tsforge compare": "--quick --no-probes",
    "tsforge fit": "--max-steps 20",
}


def lines(page: Path) -> list[str]:
    """The lines of a page's blocks for a shell."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found = [line.split("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in found if line and not line.startswith(LEFT_OUT)]


def quick(line: str) -> str:
    """A line with few steps; where it says how many, those."""
    if line.startswith("tsforge runs"):  # what is on its way arrives first
        return f"tsforge runs sync; {line}"
    if line.startswith("tsforge fit") and "--model" not in line:  # which trains nothing
        return line
    for start, more in QUICK.items():
        if line.startswith(start) and "--max-steps" not in line:
            return f"{line} {more}"
    return line


def main() -> None:
    """Do it; raises SystemExit naming the line that does not end well."""
    home = Path(sys.argv[1]).absolute()
    env = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "TMPDIR")}
    env |= {"PATH": f"{home}{os.pathsep}/usr/bin{os.pathsep}/bin", "COLUMNS": "80"}
    for page in PAGES:
        with tempfile.TemporaryDirectory(prefix="installed-") as folder:
            data = 'cp "$(tsforge data path electricity-demand)" data.csv'
            for line in [data, *map(quick, lines(page))]:
                start = time.perf_counter()
                done = subprocess.run(["bash", "-ec", line], cwd=folder, env=env, capture_output=True, text=True)
                print(f"{time.perf_counter() - start:6.1f} s  {page.name}: {line}", flush=True)
                if done.returncode not in ((0, 3) if line.startswith("tsforge update") else (0,)):
                    raise SystemExit(f"it ends with {done.returncode}:\n{done.stdout}{done.stderr}")
            left = {path.name for path in Path(folder).iterdir() if path.name.startswith(".")}
            if left - {".tsforge"}:
                raise SystemExit(f"left over: {left}")


if __name__ == "__main__":
    main()
