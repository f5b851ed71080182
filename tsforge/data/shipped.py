"""The experiments that tsforge brings along: TOML files by name, taken where no file and no data set has that name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from tsforge.data import catalog

_HERE = Path(__file__).resolve().parent


class Pipeline(NamedTuple):
    """An experiment that tsforge brings along.

    command: the one that it is for, as "compare". text: what it is, the first line of the file. data: the data sets
    that it names. missing: those of them that are not at hand.
    """

    name: str
    path: Path
    command: str
    text: str
    data: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def line(self) -> str:
        """What runs it."""
        return f"tsforge {self.command} {self.name}" + (" --hours 3" if self.command == "pretrain" else "")


def paths() -> dict[str, Path]:
    """The files by name, as m3 and protocol/m3: of the checkout, or inside the installed package."""
    checkout = _HERE.parents[1] / "pipelines"
    folder = checkout if (checkout / "README.md").is_file() else _HERE.parent / "_pipelines"
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.toml"))}


def find(file: str | Path) -> Path | None:
    """The pipeline that a file which is not there may stand for: m3, m3.toml, pipelines/m3.toml; None for none."""
    return paths().get(Path(file).as_posix().removeprefix("pipelines/").removesuffix(".toml"))


def is_experiment(word: Any) -> bool:
    """Whether a word names the TOML file of an experiment: it ends so, or it is the name of a pipeline, and of no file,
    no data set and no pretrained model."""
    if not isinstance(word, str | Path):
        return False
    if Path(word).suffix == ".toml":
        return True
    path = paths().get(str(word))
    if path is None or Path(word).exists() or str(word) in catalog.cards():
        return False
    return "mixture" not in tomllib.loads(path.read_text(encoding="utf-8"))  # of `pretrain`: zero is a model elsewhere


def pipelines() -> list[Pipeline]:
    """Every one, by name."""
    sets = catalog.cards()
    return [_described(name, path, sets) for name, path in paths().items()]


def _described(name: str, path: Path, sets: dict[str, catalog.Card]) -> Pipeline:
    text = path.read_text(encoding="utf-8")
    values = tomllib.loads(text)
    parts = [values, *values.get("groups", [])]
    named = dict.fromkeys(own for part in parts if (own := part.get("data", {}).get("path")) is not None)
    missing = tuple(data for data in named if data in sets and catalog.locate(sets[data]) is None)
    return Pipeline(name, path, _command(values, name), text.partition("\n")[0].strip("# ."), tuple(named), missing)


def _command(values: dict[str, Any], name: str) -> str:
    if "mixture" in values:
        return "pretrain"
    if "compare" in values:
        return "compare"
    if "sweep" in values:
        return "sweep"
    if "groups" in values or name.startswith("protocol/"):
        return "backtest"
    return "fit"
