"""A training's state as files, so that another process can go on with it. Reading them never unpickles."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tsforge.runtime import files
from tsforge.training.monitor import State
from tsforge.version import __version__

log = logging.getLogger("tsforge")
ENDING = ".safetensors"


class Keeper(Protocol):
    """Decides when the states of one fit are written.

    seconds: that earlier runs of the fit took, up to the last state they wrote.
    every: seconds between two states that are written at least. due: whether one would be written now.
    """

    @property
    def seconds(self) -> float: ...

    @property
    def every(self) -> float: ...

    @property
    def due(self) -> bool: ...

    def keep(self, checkpoint: Checkpoint, state: State) -> None:
        """Write a state where it is time for it; one that is finished at the latest with the next."""


@dataclass(frozen=True)
class Checkpoint:
    """Where one training keeps its state, from validation to validation.

    meaning: what is trained on what; a file that was written for anything else, or by another tsforge, is not read.
    keeper: decides when states are written; each at once where None.
    """

    path: Path
    meaning: str
    keeper: Keeper | None = None

    @classmethod
    def of(cls, folder: Path, meaning: str) -> Checkpoint:
        """The one in a folder that holds those of many trainings."""
        return cls(folder / f"{hashlib.sha256(meaning.encode()).hexdigest()[:24]}{ENDING}", meaning)

    @classmethod
    def of_first(cls) -> Checkpoint:
        """What a process has that trains with others, the first of which keeps their state: it is asked, not a file."""
        return cls(Path(os.devnull), "")

    def part(self, name: str) -> Checkpoint:
        """That of one of several trainings which make this one, as a member of an ensemble."""
        return Checkpoint(
            self.path.with_name(f"{self.path.stem}.{name}{ENDING}"), f"{self.meaning} {name}", self.keeper
        )

    @property
    def seconds(self) -> float:
        """That earlier processes took for all the trainings beside it."""
        return self.keeper.seconds if self.keeper is not None else 0.0

    @property
    def every(self) -> float:
        """Seconds between two states at least."""
        return self.keeper.every if self.keeper is not None else 0.0

    @property
    def due(self) -> bool:
        """Whether a state would be written now: one that has far to come need not be brought before."""
        return self.keeper is None or self.keeper.due

    def write(self, state: State) -> None:
        """Keep a state, when it is time for it; a disk that is full is no reason to stop training."""
        if self.keeper is not None:
            self.keeper.keep(self, state)
            return
        try:
            self.put(state)
        except OSError as problem:
            log.warning("no checkpoint: %s cannot be written: %s", self.path, problem.strerror)

    def put(self, state: State) -> None:
        """Write a state now, whole or not at all; with a keeper also where the power fails."""
        # Copies: the format demands memory of its own for each.
        tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.tensors.items()}
        facts = json.dumps(state.facts)
        texts = {"tsforge": __version__, "meaning": self.meaning, "facts": facts, "sha256": _digest(tensors, facts)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        files.write(self.path, save(tensors, texts), sync=self.keeper is not None)

    def read(self) -> State | None:
        """The state written last; None where there is none, or with a warning where it is damaged or another's."""
        if not self.path.is_file():
            return None
        try:
            return self._read()
        except (OSError, SafetensorError, ValueError, KeyError) as problem:
            log.warning("%s is not used, training begins anew: %s", self.path, problem)
            return None

    def finished(self) -> State | None:
        """The state of a training that is over, which nothing needs to be taken up of; None where it is not."""
        state = self.read()
        return state if state is not None and state.facts.get("finished") else None

    def remove(self) -> None:
        """Once nobody will go on with it."""
        self.path.unlink(missing_ok=True)
        for path in self.path.parent.glob(f"{self.path.stem}.*{ENDING}"):
            path.unlink(missing_ok=True)

    def _read(self) -> State:
        with safe_open(self.path, framework="pt") as file:
            texts = file.metadata() or {}
            if (texts.get("meaning"), texts.get("tsforge")) != (self.meaning, __version__):
                raise ValueError("it belongs to another training")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return _checked(tensors, texts)


def check(path: Path) -> None:
    """Raises ValueError where a file is not, to the last bit, a state as it was written."""
    try:
        with safe_open(path, framework="pt") as file:
            _checked({name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError, KeyError) as problem:
        raise ValueError(str(problem)) from None


def _checked(tensors: dict[str, Tensor], texts: dict[str, str]) -> State:
    if _digest(tensors, texts["facts"]) != texts["sha256"]:
        raise ValueError("its sha256 is not what was written")
    facts: dict[str, Any] = json.loads(texts["facts"])
    return State(tensors, facts)


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    """Of all that a state is."""
    content = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        content.update(f"\0{name}\0".encode())
        content.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()
