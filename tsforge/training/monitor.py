"""What is watched while a network trains: the losses, the best weights, when to stop."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tsforge.training.events import Report, Round, Stop, Tick


class State(NamedTuple):
    """What a training is after some steps: tensors by name, and plain values."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without it."""
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers, as "optimizer.NUMBER.NAME"; `resumed` takes it back."""
    kept = optimizer.state_dict()["state"]
    return {f"optimizer.{i}.{name}": value for i, values in kept.items() for name, value in values.items()}


def resumed(optimizer: torch.optim.Optimizer, state: State) -> dict[str, Any]:
    """The state of an optimiser with the moments of a kept state."""
    values_of: dict[int, dict[str, Tensor]] = {}
    for name, value in state.part("optimizer.").items():
        i, _, moment = name.partition(".")
        values_of.setdefault(int(i), {})[moment] = value
    return {"state": values_of, "param_groups": optimizer.state_dict()["param_groups"]}


class Monitor:
    """Judges a training from outside: keeps the best weights, reports, and says when to stop.

    stop: why training ended before its last step; STEPS while it has not.
    until: a step to end after, as if the time was up.
    together: whether others train too, and `agreed` is told instead of what this process would do by itself.
    """

    TICK = 20  # steps between signs of life

    def __init__(self, batch_size: int, patience: int, max_time: float | None, report: Report) -> None:
        self.batch_size, self.patience, self.max_time, self.report = batch_size, patience, max_time, report
        self.rounds: list[Round] = []
        self.stop = Stop.STEPS
        self.interrupted = False
        self.until: int | None = None
        self.together = False
        self.agreed: Stop | None = None
        self._best = math.inf
        self._weights: dict[str, Tensor] | None = None
        self._since_best = 0
        self._before = 0.0  # seconds of training before it was resumed
        self._start = time.perf_counter()

    def interrupt(self) -> None:
        """End after the current step; a handler of signals may call it."""
        self.interrupted = True

    def begin(self) -> None:
        """Training starts now."""
        self._start = time.perf_counter() - self._before

    def wish(self) -> Stop | None:
        """Why training should end now, as this process sees it."""
        if self.interrupted:
            return Stop.INTERRUPT
        late = self.max_time is not None and time.perf_counter() - self._start > self.max_time
        return Stop.TIME if late else None

    def after_step(self, step: int) -> bool:
        """After every optimiser step: whether to stop."""
        wish = self.agreed if self.together else self.wish()
        if wish == Stop.INTERRUPT:
            return self._end(wish)
        seconds = time.perf_counter() - self._start
        if step % self.TICK == 0:
            self.report(Tick(step, seconds, step * self.batch_size))
        if self.until is not None and step >= self.until:
            return self._end(Stop.TIME)
        return wish is not None and self._end(wish)

    def after_validation(self, step: int, train: float, validation: float, network: nn.Module) -> bool:
        """After every validation: whether to stop."""
        best = validation < self._best
        seconds = time.perf_counter() - self._start
        self.rounds.append(Round(step, train, validation, seconds, step * self.batch_size, best))
        self.report(self.rounds[-1])
        if best:
            self._best, self._since_best = validation, 0
            self._weights = {k: v.detach().clone() for k, v in network.state_dict().items()}
        else:
            self._since_best += 1
        if not (math.isfinite(validation) and (math.isfinite(train) or not step)):
            return self._end(Stop.DIVERGED)
        return self._since_best >= self.patience and self._end(Stop.PATIENCE)

    def wants_validation(self, step: int) -> bool:
        """Whether the last steps still have to be judged; after Ctrl-C only where nothing else could be kept."""
        judged = self.rounds[-1].step if self.rounds else 0
        return step > judged and (self.stop != Stop.INTERRUPT or self._weights is None)

    def restore(self, network: nn.Module) -> bool:
        """Put the best weights back; False where there never were any."""
        if self._weights is None:
            return False
        network.load_state_dict(self._weights)
        return True

    def state(self) -> State:
        """After a validation."""
        seconds = time.perf_counter() - self._start
        facts = {"rounds": self.rounds, "stop": self.stop, "since_best": self._since_best, "seconds": seconds}
        return State(self._weights or {}, facts)

    def resume(self, state: State) -> None:
        """Go on from there; what was reported is reported again, to whoever did not hear it, and marked so."""
        self.rounds = [Round(*values) for values in state.facts["rounds"]]
        self.stop, self._since_best = Stop(state.facts["stop"]), state.facts["since_best"]
        self._before = state.facts["seconds"]
        self._weights = state.tensors or None
        self._best = min((r.validation for r in self.rounds if r.best), default=math.inf)
        for event in self.rounds:
            self.report(event._replace(again=True))

    def _end(self, why: Stop) -> bool:
        if self.stop == Stop.STEPS:
            self.stop = why
        return True
