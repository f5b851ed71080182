"""The shape of the project: who may import whom, and the traps of its layout."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tsforge"
FILES = sorted(PACKAGE.rglob("*.py"))

PANDAS = {"reading", "detection", "times", "table", "checks", "survey", "output", "lookup"}

# The one home (or few homes) of each big library, as path prefixes under tsforge/.
HOMES = {
    "mlflow": ("tracking/", "flavour.py", "serving.py"),
    "uvicorn": ("serving.py",),
    "matplotlib": ("plotting.py", "maps.py", "charts.py", "panels.py", "sweeping/pictures.py"),
    "jinja2": ("report.py",),
    "optuna": ("sweeping/",),
    "optuna_dashboard": ("sweeping/dashboard.py",),
    "ray": ("sweeping/cluster.py",),
    "cyclopts": ("cli/",),
    "rich": ("cli/",),
    "pytorch_lightning": ("learner.py", "course.py"),
    # Outside data/: for a type.
    "pandas": (*(f"data/{name}.py" for name in PANDAS), "prediction.py", "serving.py", "explanation.py"),
    "safetensors": ("artifact.py", "checkpoint.py"),
    "scipy": ("significance.py", "selection.py"),
}

# What a part may import of ours, as module prefixes under "tsforge."; None is anything.
ALLOWED: dict[str, tuple[str, ...]] = {
    "errors.py": (),
    "config.py": ("errors",),
    "batch.py": (),
    "forecast.py": ("batch",),
    "bands.py": (),
    "outcome.py": ("bands",),
    "terms.py": ("bands",),
    "metrics.py": ("bands", "outcome", "terms"),
    "calibration.py": ("bands", "config", "errors", "outcome"),
    "adaptation.py": ("bands", "calibration", "outcome", "parallel"),
    "significance.py": ("metrics", "outcome"),
    "data/": ("config", "errors", "data", "batch", "writing"),
    "model/": ("batch", "forecast", "config", "errors", "model"),
    "learner.py": ("batch", "events", "model", "forecast"),
    "experiment.py": ("batch", "config", "errors", "data.schema", "model"),
    "learning.py": (
        "artifact",
        "checkpoint",
        "course",
        "data.windows",
        "environment",
        "evaluation",
        "experiment",
        "learner",
        "events",
        "model",
        "preparation",
    ),
    "budget.py": (),
    "events.py": (),
    "pacing.py": ("budget", "data.loader", "learning", "preparation"),
    "selection.py": ("outcome",),
    "tournament.py": (
        "budget",
        "data.windows",
        "ensembling",
        "errors",
        "evaluation",
        "experiment",
        "learner",
        "events",
        "learning",
        "metrics",
        "model",
        "pacing",
        "preparation",
        "selection",
    ),
    "ensembling.py": (
        "checkpoint",
        "course",
        "errors",
        "events",
        "experiment",
        "learning",
        "model",
        "preparation",
    ),
    "environment.py": (),
    "writing.py": (),
    "parallel.py": (),
    "processes.py": (),
    "checkpoint.py": ("__version__", "learner", "events", "writing"),
    "tracking/": ("errors", "processes", "tracking"),
    "artifact.py": (
        "batch",
        "calibration",
        "config",
        "errors",
        "experiment",
        "data.schema",
        "data.covariates",
        "manifest",
        "model.baselines",
        "tracking.models",
    ),
    "plotting.py": ("data", "errors", "outcome"),
    "maps.py": ("explanation", "plotting"),
    "panels.py": ("comparison.measured", "comparison.rows", "metrics", "probes", "tracking.view"),
    "charts.py": ("comparison.measured", "metrics", "panels", "plotting", "tasks"),
    "report.py": ("comparison.measured", "comparison.rules", "comparison.table", "probes", "writing"),
    "comparison/": (
        "batch",
        "charts",
        "comparison",
        "config",
        "data",
        "environment",
        "errors",
        "evaluation",
        "experiment",
        "learner",
        "events",
        "metrics",
        "model",
        "outcome",
        "preparation",
        "probes",
        "recording",
        "report",
        "significance",
        "sweeping",
        "tasks",
        "tracking",
        "training",
    ),
    "preparation.py": ("data", "errors", "config", "experiment", "model.auto"),
    "evaluation.py": (
        "bands",
        "batch",
        "calibration",
        "data",
        "environment",
        "forecast",
        "model",
        "outcome",
        "parallel",
        "preparation",
    ),
    "judging.py": (
        "adaptation",
        "calibration",
        "data",
        "errors",
        "evaluation",
        "model.baselines",
        "outcome",
        "preparation",
    ),
    "rolling.py": (
        "artifact",
        "data",
        "errors",
        "evaluation",
        "experiment",
        "judging",
        "learner",
        "events",
        "outcome",
        "preparation",
        "training",
    ),
    "scoreboard.py": ("errors", "metrics", "outcome", "rolling", "significance"),
    "recording.py": (
        "data.panel",
        "environment",
        "experiment",
        "learner",
        "events",
        "metrics",
        "plotting",
        "preparation",
        "scoreboard",
        "tracking",
        "training",
        "writing",
    ),
    "reproduction.py": (
        "config",
        "data",
        "environment",
        "errors",
        "experiment",
        "learner",
        "events",
        "recording",
        "rolling",
        "scoreboard",
        "tracking",
        "training",
    ),
    "sweeping/": (
        "artifact",
        "checkpoint",
        "config",
        "course",
        "data.loader",
        "data.panel",
        "data.schema",
        "data.split",
        "errors",
        "evaluation",
        "experiment",
        "learner",
        "events",
        "metrics",
        "model.network",
        "model.zoo",
        "packing",
        "plotting",
        "preparation",
        "processes",
        "recording",
        "sweeping",
        "tracking",
        "training",
        "writing",
    ),
    "prediction.py": ("artifact", "data", "errors"),
    "manifest.py": ("__version__", "config", "errors"),
    "probes.py": ("environment", "model.network", "model.tokens"),
    "tasks.py": ("environment", "model.network", "probes"),
    "flavour.py": ("__version__", "config", "data.output", "data.schema", "errors", "manifest"),
    "serving.py": ("artifact", "data.output", "errors", "prediction"),
    "explanation.py": ("artifact", "batch", "data", "errors", "model.attribution", "prediction"),
}

# What one file may import beyond its folder.
ALSO = {"tracking/delivery.py": ("flavour",)}

# Third-party libraries that a part must not touch at all.
FORBIDDEN = {
    "errors.py": {"torch", "numpy", "pandas"},
    "config.py": {"torch", "numpy", "pandas"},
    "outcome.py": {"torch", "pandas"},
    "terms.py": {"torch", "pandas"},
    "metrics.py": {"torch", "pandas"},
    "bands.py": {"torch", "pandas"},
    "calibration.py": {"torch", "pandas"},
    "adaptation.py": {"torch", "pandas"},
    "significance.py": {"torch", "pandas"},
    "selection.py": {"torch", "pandas"},
    "budget.py": {"torch", "numpy", "pandas"},
    "model/": {"pandas", "pytorch_lightning", "mlflow", "numpy"},
    "learner.py": {"pandas", "mlflow"},
    "environment.py": {"numpy", "pandas", "pytorch_lightning"},
    "writing.py": {"torch", "numpy", "pandas"},
    "recording.py": {"pandas", "torch", "pytorch_lightning"},
    "reproduction.py": {"pandas", "pytorch_lightning"},
    "flavour.py": {"torch", "pandas"},
    "probes.py": {"pandas", "pytorch_lightning", "mlflow"},
    "sweeping/": {"pandas", "pytorch_lightning", "mlflow"},
    "sweeping/space.py": {"torch", "numpy", "optuna"},
    "sweeping/orders.py": {"torch", "numpy", "optuna"},
    "tasks.py": {"pandas", "pytorch_lightning", "mlflow", "numpy"},
    "comparison/": {"pandas", "matplotlib", "mlflow", "pytorch_lightning"},
    "report.py": {"torch", "numpy", "pandas", "matplotlib"},
    "panels.py": {"torch", "pandas"},
    "charts.py": {"torch", "pandas"},
    "manifest.py": {"torch", "numpy", "pandas"},
    "tracking/": {"torch", "pandas", "numpy", "pytorch_lightning"},
}


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in the file, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def matches(name: str, rule: str) -> bool:
    return name.startswith(rule) if rule.endswith("/") else name == rule


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_import_table(path: Path) -> None:
    name = relative(path)
    found = list(imports(path))
    top = {f.split(".")[0] for f in found}
    for library, homes in HOMES.items():
        if library in top:
            assert any(matches(name, home) for home in homes), f"{name} imports {library}"
    for rule, libraries in FORBIDDEN.items():
        if matches(name, rule):
            assert not top & libraries, f"{name} imports {top & libraries}"
    ours = [f.removeprefix("tsforge.") for f in found if f.startswith("tsforge")]
    for rule, allowed in ALLOWED.items():
        if matches(name, rule):
            more = ALSO.get(name, ())
            bad = [o for o in ours if not any(o == a or o.startswith(f"{a}.") for a in (*allowed, *more))]
            assert not bad, f"{name} imports {bad}"
    if not name.startswith("cli/") and name != "__main__.py":
        assert not [o for o in ours if o.startswith("cli")], f"{name} imports the command line"


@pytest.mark.parametrize("name", ["measured", "rows", "rules", "table", "verdicts"])
def test_what_a_comparison_says_knows_nothing_of_how_it_is_run(name: str) -> None:
    """Prevents: a verdict that cannot be checked without training something."""
    ours = {
        i.removeprefix("tsforge.").split(".")[0] for i in imports(PACKAGE / f"comparison/{name}.py") if "tsforge" in i
    }
    assert ours <= {"comparison", "metrics", "probes", "significance", "tasks"}


def test_torch_in_data_has_one_home() -> None:
    users = {
        relative(p)
        for p in FILES
        if relative(p).startswith("data/") and any(i.split(".")[0] == "torch" for i in imports(p))
    }
    assert users == {"data/loader.py"}


def test_training_evaluation_prediction_do_not_form_a_cycle() -> None:
    graph = {relative(p): {i for i in imports(p) if i.startswith("tsforge.")} for p in FILES}
    for name in ("evaluation.py", "prediction.py"):
        assert not [i for i in graph[name] if i.startswith("tsforge.training")]
    assert not [i for i in graph["training.py"] if i.startswith("tsforge.prediction")]


def test_root_folders_do_not_shadow_installed_packages() -> None:
    """A folder mlflow/ or datasets/ with an __init__.py would be imported instead of the package."""
    for folder in ("mlflow", "datasets", "pipelines"):
        assert not list((ROOT / folder).rglob("*.py")), folder
    code = "import mlflow; print(mlflow.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "site-packages" in done.stdout


def test_files_read_in_one_sitting() -> None:
    long = {relative(p): n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 320}
    assert not long


def test_no_unpickling() -> None:
    """A model directory comes from anywhere: nothing in the package may execute what a file names."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for word in ("pickle", "torch.load", "joblib", "eval(", "exec("):
            hits = [
                line for line in text.splitlines() if word in line and ".eval()" not in line and "unpickl" not in line
            ]
            assert not hits, f"{relative(path)}: {hits[0]}"
