"""The shape of the project: floors, the one home of each big library, and the traps of its layout."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers import house
from tests.helpers.house import PACKAGE, ROOT, relative

# The one home (or few homes) of each big library, as path prefixes under tsforge/.
HOMES = {
    "mlflow": ("tracking/",),
    "uvicorn": ("tracking/serving.py",),
    "matplotlib": ("plotting/", "comparison/plots.py", "comparison/subplots.py", "sweeping/plots.py"),
    "jinja2": ("plotting/pages.py",),
    "optuna": ("sweeping/",),
    "pyspark": ("partitions/spark.py",),
    "fsspec": ("partitions/places.py",),
    "optuna_dashboard": ("sweeping/dashboard.py",),
    "ray": ("runtime/cluster.py", "adapters/ray_serve.py"),
    "cyclopts": ("cli/",),
    "mcp": ("cli/protocol/",),
    "anyio": ("cli/protocol/",),
    "holidays": ("data/occasions/holidays.py",),
    "onnxruntime": ("exporting/",),
    "fev": ("adapters/fev.py",),
    "sktime": ("adapters/sktime.py",),
    "datasets": ("adapters/fev.py",),
    "pytorch_lightning": ("training/learner.py", "training/loop.py"),
    "safetensors": ("fitted/", "training/checkpoint.py"),
    "scipy": ("model/counts.py", "backtesting/ablation.py", "evaluation/significance.py", "training/auto/selection.py"),
    # Outside data/: for a type.
    "pandas": (
        "data/table/", "data/tidy.py", "data/rolled.py", "data/sampled.py", "data/frames.py", "data/lookup.py",
        "data/survey.py",
        "adapters/sktime.py", "fitted/prediction.py", "fitted/explanation.py", "tracking/serving.py",
    ),
}  # fmt: skip

# What a part must not touch at all, so that it stays quick to import or can be tested without.
FORBIDDEN = {
    "errors.py": {"torch", "numpy", "pandas"},
    "config.py": {"torch", "numpy", "pandas"},
    "evaluation/": {"pandas"},
    "fitted/manifest.py": {"torch", "numpy", "pandas"},
    "model/": {"numpy"},
    "runtime/files.py": {"torch", "numpy", "pandas"},
    "sweeping/space.py": {"torch", "numpy", "optuna"},
    "sweeping/workers/job.py": {"torch", "numpy", "optuna"},
    "training/auto/time_budget.py": {"torch", "numpy"},
    "comparison/report.py": {"torch", "numpy"},
    "comparison/page.py": {"torch", "numpy"},
}


def libraries(name: str) -> set[str]:
    """The packages that a file imports, wherever in it."""
    return {imported.split(".")[0] for imported in house.imports(PACKAGE / name)}


def test_every_file_imports_its_own_floor_and_those_below() -> None:
    assert not house.upward(house.graph())


def test_no_circles() -> None:
    assert not house.circles(house.graph())


def test_files_read_in_one_sitting() -> None:
    assert not house.long()
    assert len(house.top()) <= 8


@pytest.mark.parametrize("name", map(relative, house.files()))
def test_every_library_has_one_home(name: str) -> None:
    used = libraries(name)
    for library, homes in HOMES.items():
        assert library not in used or name.startswith(homes), f"{name} imports {library}"
    for part, forbidden in FORBIDDEN.items():
        assert not (name.startswith(part) and used & forbidden), f"{name} imports {used & forbidden}"


def test_torch_in_data_has_one_home() -> None:
    names = [relative(path) for path in house.files()]
    assert {n for n in names if n.startswith("data/") and "torch" in libraries(n)} == {"data/loader.py"}


def test_root_folders_do_not_shadow_installed_packages() -> None:
    """A folder mlflow/ or datasets/ with an __init__.py would be imported instead of the package."""
    for folder in ("mlflow", "datasets", "pipelines"):
        assert not list((ROOT / folder).rglob("*.py")), folder
    code = "import mlflow; print(mlflow.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "site-packages" in done.stdout


def test_no_unpickling() -> None:
    """A model directory comes from anywhere: nothing in the package may execute what a file names.

    Processes of one command exchange files in a folder that it has made for its user alone.
    """
    for path in house.files():
        if relative(path) == "training/distributed/shipping.py":
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            words = [word for word in ("pickle", "torch.load", "joblib", "eval(", "exec(") if word in line]
            assert not words or ".eval()" in line or "unpickl" in line, f"{relative(path)}: {line}"
