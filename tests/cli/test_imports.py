"""A command imports what it uses: Lightning alone takes longer than a closed form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.tables import hourly

DESCENT = ("pytorch_lightning", "lightning_fabric", "torchmetrics", "torch._dynamo", "torch._inductor", "sympy")
ELSEWHERE = ("mlflow", "sqlalchemy", "optuna", "sklearn", "polars", "scipy.stats", "scipy.signal", "IPython")
NOT_TRAINED = (*DESCENT, *ELSEWHERE, "matplotlib.pyplot")
PREDICTED = (*NOT_TRAINED, "scipy", "matplotlib", "tsforge.training", "tsforge.plotting.forecasts")

CODE = """
import sys
from tsforge.cli.main import run
code = run({argv!r})
print("LOADED", *(name for name in {names!r} if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""


def _loaded(folder: Path, names: tuple[str, ...], *argv: str) -> list[str]:
    """Those of the modules that a command imports."""
    code = CODE.format(argv=[*argv, "--quiet"], names=names)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    word, *loaded = done.stderr.splitlines()[-1].split()
    assert word == "LOADED"
    return loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with a table and a linear model of it, fitted on the way."""
    folder = tmp_path_factory.mktemp("imports")
    hourly(20).to_csv(folder / "data.csv", index=False)
    argv = ("fit", "data.csv", "--model", "linear", "--horizon", "6", "--out", "m")
    assert _loaded(folder, NOT_TRAINED, *argv) == []  # its delivery is another process
    return folder


@pytest.mark.parametrize("argv", [
    ("fit", "data.csv", "--horizon", "6", "--no-track"),
    ("backtest", "data.csv", "--model", "theta", "--horizon", "6", "--windows", "3", "--no-track"),
    ("backtest", "m", "--windows", "3"),
])  # fmt: skip
def test_a_closed_form_imports_nothing_that_descends(folder: Path, argv: tuple[str, ...]) -> None:
    """Prevents: seconds of imports for a fit of a tenth of a second, by a name that some module wants at its top."""
    assert _loaded(folder, NOT_TRAINED, *argv) == []


def test_a_forecast_imports_what_it_computes_with(folder: Path) -> None:
    """Prevents: a training, its pictures or its statistics imported for a file of forecasts."""
    assert _loaded(folder, PREDICTED, "predict", "m", "--output", "f.csv") == []


def test_a_network_is_trained_by_lightning_and_forecasts_without(folder: Path) -> None:
    """Prevents: names above that no command would import, so that the tests hold whatever happens."""
    argv = ("fit", "data.csv", "--model", "gru", "--horizon", "6", "--max-steps", "3", "--no-track", "--out", "gru")
    assert "pytorch_lightning" in _loaded(folder, DESCENT, *argv)
    assert _loaded(folder, PREDICTED, "predict", "gru", "--output", "f.csv") == []
