"""What a tournament keeps of its decisions, so that another process repeats them, whatever its own clock says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tsforge.training.auto.time_budget import Pace
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Standing
from tsforge.training.monitor import State


class LineUp(NamedTuple):
    """Who competes: names in order, how fast each is, and who was left out before the first training."""

    names: list[str]
    paces: dict[str, Pace]
    losers: list[Standing]


class Slot(NamedTuple):
    """What one training was given: steps and seconds; or, in the note, why it was left out."""

    steps: int
    seconds: float
    note: str = ""


class Remembered:
    """The decisions of a tournament, of this process or of an earlier one; none are kept without a checkpoint."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self._checkpoint = checkpoint

    def part(self, key: str) -> Checkpoint | None:
        """Where a training keeps its state."""
        return self._checkpoint.part(key) if self._checkpoint is not None else None

    def line_up(self) -> LineUp | None:
        """As an earlier process had it."""
        part = self.part("line-up")
        state = part.finished() if part is not None else None
        if state is None:
            return None
        names, paces, losers = (state.facts[name] for name in ("names", "paces", "losers"))
        return LineUp(names, {k: Pace(*v) for k, v in paces.items()}, [Standing(*values) for values in losers])

    def keep_line_up(self, names: Sequence[str], paces: Mapping[str, Pace], losers: Sequence[Standing]) -> None:
        """For whoever goes on."""
        self._keep("line-up", {"names": list(names), "paces": dict(paces), "losers": list(losers)})

    def slot(self, key: str) -> Slot | None:
        """What an earlier process gave a training."""
        part = self.part(f"{key}.slot")
        state = part.finished() if part is not None else None
        return Slot(*state.facts["slot"]) if state is not None else None

    def keep_slot(self, key: str, slot: Slot) -> Slot:
        """For whoever goes on."""
        self._keep(f"{key}.slot", {"slot": slot})
        return slot

    def _keep(self, key: str, facts: dict[str, object]) -> None:
        if (part := self.part(key)) is not None:
            part.write(State({}, {"finished": True} | facts))


def key_of(name: str, rung: int, seed: int | None) -> str:
    """What a training of a tournament is found by."""
    return f"rung-{rung}-{name}-{seed}"
