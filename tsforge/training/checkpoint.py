"""A training's state as a file, so that another process can go on with it. Reading it never unpickles."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from tsforge.runtime import files
from tsforge.training.monitor import State
from tsforge.version import __version__

log = logging.getLogger("tsforge")


@dataclass(frozen=True)
class Checkpoint:
    """Where one training keeps its state, from validation to validation.

    meaning: what is trained on what; a file that was written for anything else, or by another tsforge, is not read.
    """

    path: Path
    meaning: str

    @classmethod
    def of(cls, folder: Path, meaning: str) -> Checkpoint:
        """The one in a folder that holds those of many trainings."""
        return cls(folder / f"{hashlib.sha256(meaning.encode()).hexdigest()[:24]}.safetensors", meaning)

    def write(self, state: State) -> None:
        """Whole or not at all; a disk that is full is no reason to stop training."""
        # Copies: the format demands memory of its own for each.
        tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.tensors.items()}
        facts = {"tsforge": __version__, "meaning": self.meaning, "facts": json.dumps(state.facts)}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            files.write(self.path, save(tensors, facts))
        except OSError as problem:
            log.warning("no checkpoint: %s cannot be written: %s", self.path, problem.strerror)

    def read(self) -> State | None:
        """The state written last; None where there is none, or with a warning where it is damaged or another's."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = file.metadata() or {}
                if (facts.get("meaning"), facts.get("tsforge")) != (self.meaning, __version__):
                    raise ValueError("it belongs to another training")
                return State({name: file.get_tensor(name) for name in file.keys()}, json.loads(facts["facts"]))  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, KeyError) as problem:
            log.warning("%s is not used, training begins anew: %s", self.path, problem)
            return None

    def remove(self) -> None:
        """Once nobody will go on with it."""
        self.path.unlink(missing_ok=True)
