"""The wheel: everything is in it, it says what it needs, and it works where there is no checkout.

`make installed` installs it into an environment with nothing else, and does what README and the tutorial say.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.helpers.house import PACKAGE, ROOT, imports
from tsforge.version import DISTRIBUTION, __version__

# What comes with a package that is asked for, and is part of it as far as we use it: by whom.
BROUGHT = {
    "uvicorn": "mlflow", "fastapi": "mlflow", "anyio": "mcp", "packaging": "matplotlib", "pydantic_core": "pydantic",
}  # fmt: skip
USERS = {"fev", "datasets", "polars"}  # imported where whoever calls us has them already
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKS = """
import json, sys
from pathlib import Path
import tsforge
from tsforge.cli.main import run
from tsforge.data import catalog, shipped

codes = [run(words.split()) for words in (
    "data path air-passengers",
    "fit air-passengers --horizon 12 --model naive --no-track --quiet --out model",
    "predict model --output forecast.csv --plot forecast.png",
    "predict zero air-passengers --horizon 3 --quiet",
    "backtest m3 --group nothing --no-track",
    "fit --help",
)]
fitted = tsforge.fit(tsforge.datasets.load("air-passengers"), horizon=12, model="naive")
places = [Path(tsforge.__file__), catalog.folder(), *shipped.paths().values()]
print(json.dumps({"codes": codes, "rows": len(fitted.predict().frame), "places": [*map(str, places)]}))
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def facts(wheel: Path) -> Message:
    """What pip shows of it."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(file.read(name).decode())


def test_everything_is_in_it(wheel: Path) -> None:
    """Prevents: a template, a help text, weights or a pipeline that is in the checkout alone."""
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "tsforge", "datasets", "pipelines"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    homes = {"datasets/": "tsforge/_datasets/", "pipelines/": "tsforge/_pipelines/"}
    expected = set(listed)
    for folder, home in homes.items():
        expected = {home + name.removeprefix(folder) if name.startswith(folder) else name for name in expected}
    assert names == {name for name in expected if (ROOT / name).exists() or name.startswith("tsforge/_")}


def test_it_says_what_it_is(facts: Message) -> None:
    """Prevents: a package without licence or author, or one that asks for other versions than the project does."""
    assert (facts["Name"], facts["Version"]) == (DISTRIBUTION, __version__)
    assert (facts["License-Expression"], facts["License-File"]) == ("Apache-2.0", "LICENSE")
    assert facts["Author"] == PROJECT["authors"][0]["name"]
    assert facts["Requires-Python"] == PROJECT["requires-python"]
    assert facts["Description-Content-Type"] == "text/markdown"
    asked = [text.replace(" ", "") for text in facts.get_all("Requires-Dist") or [] if "extra ==" not in text]
    assert len(asked) == len(PROJECT["dependencies"])
    assert {normal(re.split(r"[<>=\[]", text)[0]) for text in asked} == {
        normal(re.split(r"[<>=\[]", text)[0]) for text in PROJECT["dependencies"]
    }
    assert set(facts.get_all("Provides-Extra") or []) == set(PROJECT["optional-dependencies"])


def test_every_library_that_is_imported_is_asked_for() -> None:
    """Prevents: an import that works here, where everything is installed, and nowhere else."""
    homes = packages_distributions()
    extras = [text for name, texts in PROJECT["optional-dependencies"].items() if name != "test" for text in texts]
    known = {normal(re.split(r"[<>=!\[ ]", text)[0]) for text in (*PROJECT["dependencies"], *extras)}
    always = {normal(re.split(r"[<>=!\[ ]", text)[0]) for text in PROJECT["dependencies"]}
    ours = {"tsforge", *USERS, *sys.stdlib_module_names}
    for path in sorted(PACKAGE.rglob("*.py")):
        top = {name for node in ast.parse(path.read_text(encoding="utf-8")).body for name in named(node)}
        for name in {name.partition(".")[0] for name in imports(path)} - ours:
            found = {normal(home) for home in homes.get(name, [name])}
            found |= {BROUGHT[name]} if name in BROUGHT else set()
            assert found & known, f"{path.relative_to(ROOT)} imports {name}: add it to dependencies"
            optional = ("adapters/", "cli/protocol/", "runtime/cluster.py")
            elsewhere = path.relative_to(PACKAGE).as_posix().startswith(optional)
            assert name not in top or found & always or elsewhere, f"{path}: {name} is imported always, and optional"


def named(node: ast.stmt) -> list[str]:
    """The packages that a statement of a file imports when that is imported."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [node.module.partition(".")[0]] if isinstance(node, ast.ImportFrom) and node.module else []


def test_it_works_where_there_is_no_checkout(wheel: Path, tmp_path: Path) -> None:
    """Prevents: data, pipelines or texts that are looked for in the checkout."""
    installed, here = tmp_path / "installed", tmp_path / "here"
    here.mkdir()
    with zipfile.ZipFile(wheel) as file:
        file.extractall(installed)
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = known | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-P", "-c", WORKS], cwd=here, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["codes"] == [0, 0, 0, 0, 2, 0]
    assert "groups: yearly, quarterly, monthly, other" in done.stderr
    assert said["rows"] == 12
    assert all(Path(place).is_relative_to(installed) for place in said["places"])
    assert {path.name for path in here.iterdir()} == {"model", "forecast.csv", "forecast.png"}
