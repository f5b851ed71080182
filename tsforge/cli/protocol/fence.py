"""What a tool may name: files below one folder, wherever links lead, and data sets and models by their names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsforge.errors import ConfigError, DataError, ModelError

PATHS = ("data.cache", "data.events", "train.start")  # settings that name a file
REFUSED = {  # settings that a tool has no use for, and why
    "data.path": "the table has an argument of its own",
    "train.engine": "a tool trains on this machine", "train.address": "a tool trains on this machine",
    "train.nodes": "a tool trains on this machine",
}  # fmt: skip


class Fence:
    """The folder that tools stay in. Every path that comes out of it is whole, without links."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve(strict=True)

    def inside(self, word: str) -> Path:
        """A path below the folder, where `word` leads; ConfigError where that is elsewhere."""
        if "\0" in word:
            raise ConfigError("a path holds a NUL", "name a file below the folder of the server")
        path = (self.root / word).resolve()
        if not path.is_relative_to(self.root):
            hint = "name a path below the folder that the server was started in; links may not leave it either"
            raise ConfigError(f"{word}: lies outside {self.root}", hint)
        return path

    def table(self, word: str) -> str:
        """A table to read: a file or a folder of files, or the name of a catalogued data set."""
        from tsforge.data import catalog

        path = self.inside(word)
        if path.suffix == ".toml":  # commands follow the paths in it
            raise ConfigError(f"{word}: holds settings, no table", "name a table, and pass settings as an argument")
        if not path.exists():
            if word in catalog.cards():
                return word
            raise DataError(f"{word}: no such file", "name a file below the folder of the server, or a data set")
        if path.is_dir():
            if (path / "experiment.json").exists():  # it names the table that it was fitted to, wherever that lies
                raise DataError(f"{word}: is a fitted model, no table", "name its table as data")
            self._check_links(path)
        return str(path)

    def model(self, word: str) -> str:
        """The folder of a fitted model, or the name of a pretrained one."""
        from tsforge.model.zoo import PRETRAINED

        path = self.inside(word)
        if word in PRETRAINED and not path.exists():
            return word
        if not (path / "experiment.json").is_file():
            raise ModelError(f"{word}: no folder of a fitted model", "name the folder that fit answered with, or zero")
        self._check_links(path)
        try:
            kept = json.loads((path / "experiment.json").read_text(encoding="utf-8"))
        except ValueError:
            return str(path)  # that it is damaged is told by whoever loads it
        self._check_experiment(word, kept)
        return str(path)

    def _check_experiment(self, word: str, kept: object) -> None:
        """Raises ConfigError where the experiment of a model, which may be a stranger's, names files outside."""
        for name in PATHS:
            section, _, field = name.partition(".")
            values = kept.get(section) if isinstance(kept, dict) else None
            value = values.get(field) if isinstance(values, dict) else None
            if isinstance(value, str):
                try:
                    self.inside(value)
                except ConfigError as problem:
                    hint = f"take {name} out of its experiment.json, or use the model in a shell"
                    raise ConfigError(f"{word}: its {name} is {problem.message}", hint) from None

    def target(self, word: str, endings: tuple[str, ...] = (), *, overwrite: bool = False) -> str:
        """A file or a folder to write; ConfigError where one lies there, unless it may be overwritten."""
        path = self.inside(word)
        if path == self.root:
            raise ConfigError(f"{word}: is the folder of the server", "name a file or a folder in it")
        if endings and path.suffix not in endings:
            raise ConfigError(f"{word}: an ending {' or '.join(endings)} is needed", "give it another ending")
        if path.exists() and not overwrite:
            raise ConfigError(f"{word}: exists already", "choose another name, or pass overwrite")
        return str(path)

    def settings(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Settings by their dotted paths, files among them whole.

        Raises ConfigError for those that leave the folder or have no use here.
        """
        from tsforge.settings import full

        checked: dict[str, Any] = {}
        for word, value in (given or {}).items():
            if "=" in word:  # --set would read the rest of the name as the value
                raise ConfigError(f"{word}: the name of a setting holds a =", 'write {"train.lr": 0.01}')
            name = full(word.strip())  # as --set reads it
            if name in checked:
                raise ConfigError(f"{name} is set twice", "set it once")
            if name in REFUSED:
                raise ConfigError(f"{name} cannot be set here: {REFUSED[name]}", f"leave {name} out")
            if value is None:
                raise ConfigError(f"{name} is null", f"leave {name} out")
            if isinstance(value, dict):
                raise ConfigError(f"{name} holds a table", "write dotted names, as train.lr")
            checked[name] = str(self.inside(str(value))) if name in PATHS else value
        return checked

    def _check_links(self, folder: Path) -> None:
        """Raises ConfigError where a link in a folder leads out of it."""
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                path = Path(place, name)
                if path.is_symlink() and not path.resolve().is_relative_to(self.root):
                    raise ConfigError(
                        f"{path.relative_to(self.root)}: a link that leads outside {self.root}", "remove it"
                    )
