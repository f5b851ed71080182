"""A virtual environment for each library, made at the first use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

TORCH = "torch==2.13.0"  # the same for all: kernels differ between releases


class Peer(NamedTuple):
    """A library that stands beside tsforge.

    title: as its authors write it.
    packages: what is installed.
    networks: whether it has networks to time, or closed forms alone.
    """

    title: str
    packages: tuple[str, ...]
    networks: bool = True


# By module of this folder.
PEERS = {
    "neuralforecast": Peer("NeuralForecast", ("neuralforecast",)),
    "darts": Peer("Darts", ("darts[torch]", "pyarrow")),
    "pytorch_forecasting": Peer("PyTorch-Forecasting", ("pytorch-forecasting", "pyarrow")),
    "gluonts": Peer("GluonTS", ("gluonts[torch]", "lightning", "pyarrow")),
    "statsforecast": Peer("statsforecast", ("statsforecast",), networks=False),
}


class NotInstalled(Exception):  # noqa: N818 (it says what pip said)
    """A library could not be installed here."""


def python(name: str, folder: Path) -> Path:
    """The interpreter of a library's environment, which is made where there is none.

    Raises NotInstalled with the end of what pip said. An environment that was not finished is finished.
    """
    place, mark = folder / name, folder / name / "ready"
    interpreter = place / "bin" / "python"
    if mark.exists():
        return interpreter
    folder.mkdir(parents=True, exist_ok=True)
    constraints = folder / "constraints.txt"
    constraints.write_text(TORCH + "\n", encoding="utf-8")
    print(f"installing {', '.join(PEERS[name].packages)} into {place}", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", str(place)])
    _run(
        [
            str(interpreter),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--constraint",
            str(constraints),
            TORCH,
            *PEERS[name].packages,
        ]
    )
    mark.touch()
    return interpreter


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotInstalled((done.stderr or done.stdout).strip()[-400:])
