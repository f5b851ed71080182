"""The plan of the package, read from its imports; `python -m tests.helpers.house` prints what holds of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tsforge"
LONGEST = 300  # lines of a file

# From the bottom up: a file imports its own folder, its own floor and the floors before it. `data` and `model` never
# import each other, nor `model` and `synthesis`; `data` does not import `synthesis`.
FLOORS = [
    ("errors", "version", "runtime"), ("config", "batch", "forecast"), ("data", "model", "synthesis"),
    ("experiment", "settings"), ("evaluation",), ("fitted",), ("detecting",), ("exporting",), ("plotting",),
    ("training",), ("backtesting",), ("updating",), ("partitions",), ("tracking",), ("sweeping",), ("comparison",),
    ("api",), ("__init__", "serving"), ("adapters",), ("cli", "__main__"),
]  # fmt: skip
APART = {("data", "model"), ("model", "data"), ("model", "synthesis"), ("synthesis", "model"), ("data", "synthesis")}


def files() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    """As "data/panel.py"."""
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Every name that a file imports, wherever in the file, dotted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph() -> dict[str, set[str]]:
    """File to the files of the package that it imports."""
    names = {relative(path): path for path in files()}
    return {name: {file for i in imports(path) if (file := _file(i, names))} for name, path in names.items()}


def _file(name: str, names: dict[str, Path]) -> str | None:
    """The file that an imported name lies in; None for other people's."""
    parts = name.split(".")
    if parts[0] != "tsforge":
        return None
    for end in range(len(parts), 0, -1):
        for file in ("/".join(parts[1:end]) + ".py", "/".join([*parts[1:end], "__init__.py"])):
            if file in names:
                return file
    return None


def floor(file: str) -> int:
    """The number of a file's floor, from the bottom. Raises KeyError for a name that is on none."""
    return {name: i for i, names in enumerate(FLOORS) for name in names}[room(file)]


def room(file: str) -> str:
    """The folder at the top that a file lies in; of a file at the top its own name."""
    return file.split("/")[0].removesuffix(".py")


def upward(imported: dict[str, set[str]]) -> list[str]:
    """Imports that the floors forbid, as "data/a.py -> model/b.py"."""
    return [
        f"{file} -> {other}"
        for file, others in imported.items()
        for other in sorted(others)
        if floor(other) > floor(file) or (room(file), room(other)) in APART
    ]


def circles(imported: dict[str, set[str]]) -> list[str]:
    """The files that import each other in a circle, or lie between two circles."""
    left = {file: set(others) - {file} for file, others in imported.items()}
    while ends := {f for f, others in left.items() if not others} | (left.keys() - set().union(*left.values(), set())):
        left = {file: others - ends for file, others in left.items() if file not in ends}
    return sorted(left)


def long() -> dict[str, int]:
    """Files with more than 300 lines."""
    return {relative(path): count for path in files() if (count := lines(path)) > LONGEST}


def lines(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def top() -> list[str]:
    """Modules at the top level, without `__init__` and `__main__`."""
    return [path.stem for path in sorted(PACKAGE.glob("*.py")) if not path.stem.startswith("__")]


def main() -> None:
    """Print what holds."""
    imported = graph()
    tests = [path for path in (ROOT / "tests").rglob("*.py") if "references" not in str(path)]
    print(f"modules at top level  {len(top())}  ({', '.join(top())})")
    for title, names in (("circles", circles(imported)), ("upward imports", upward(imported)), ("long", long())):
        print(f"{title:<20}  {len(names)}", *names, sep="\n    " if names else "")
    print(f"lines                 {sum(map(lines, files()))} in tsforge, {sum(map(lines, tests))} in tests")


if __name__ == "__main__":
    main()
