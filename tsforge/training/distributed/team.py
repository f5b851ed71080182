"""Who trains a network: this process alone, it and others that torchrun started, or a team that is started for it.

A team's processes live as long as the command trains, over all members of an ensemble. The command itself holds the
table and is none of them: it asks them for one training after the other, passes on what the first of them reports, and
ends them all where one is gone, so that whatever a process waits for, nothing hangs and one error says why.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

import torch
from torch import nn

from tsforge.data.dataset import Dataset
from tsforge.data.loader import pick_device
from tsforge.errors import ConfigError, TrainingError
from tsforge.experiment import Experiment, TrainConfig
from tsforge.model.zoo import own_parts
from tsforge.runtime import plugins, stopping
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.distributed import ranks, ray, shipping, torchrun
from tsforge.training.distributed.job import Job, Result
from tsforge.training.distributed.local import Machine
from tsforge.training.events import Report, Round, Stop, Tick
from tsforge.training.loop import Trained
from tsforge.training.monitor import State

log = logging.getLogger("tsforge")

LOOK = 0.2  # seconds between looks at the processes
GRACE = 3.0  # seconds that one which has lost another is waited for to say which: the one that is gone is seen by then
LOST = 75  # their exit code then
EVENTS = {"Tick": Tick, "Round": Round}


class Members(Protocol):
    """Where a team works."""

    device: str  # "cpu" or "cuda"
    members: Any  # its processes, as `local.Process`
    said: Any  # the queue of what they say
    here: list[tuple[int, int]]  # of each, its number on its machine, and of how many

    def sent(self, file: Path) -> list[str]: ...
    def fetched(self, file: str) -> Path: ...
    def dropped(self, file: str) -> None: ...
    def close(self) -> None: ...


class Team:
    """Processes that have been started. folder: for files that they and we exchange."""

    def __init__(self, place: Members, folder: Path) -> None:
        self.place, self.folder = place, folder
        self._joined = False
        self._jobs = 0
        self._dataset: tuple[Dataset, list[str]] | None = None

    def train(self, job: tuple[Experiment, Dataset, Checkpoint | None], report: Report) -> Result:
        """One training from its first step to its last. Raises TrainingError where a process is gone.

        The first Ctrl-C ends it after its next steps, the second at once.
        """
        experiment, dataset, checkpoint = job
        plugins.check_shared(own_parts(experiment.model))
        state = checkpoint.read() if checkpoint is not None else None
        self._join()
        self._jobs += 1
        if self._dataset is None or self._dataset[0] is not dataset:
            if self._dataset is not None:
                self._drop(self._dataset[1])
            file = shipping.write(self.folder / f"dataset-{self._jobs}", dataset)
            self._dataset = dataset, self.place.sent(file)
        every = checkpoint.every if checkpoint is not None else None
        asked = Job(experiment, Path(self._dataset[1][0]).name, every, state)
        paths = self.place.sent(shipping.write(self.folder / f"job-{self._jobs}", asked))
        for member, path in zip(self.place.members, paths, strict=True):
            member.tell(train=path)
        with stopping.first(self._stop):
            done = self._hear("done", len(self.place.members), report, checkpoint)
        self._drop(paths)
        try:
            return Result(*self._taken(done[0]))
        except ConnectionError as problem:
            text = f"training ended: process 1 of {len(paths)} is gone with its weights ({problem})"
            raise TrainingError(text, "fit again, or go on from the checkpoint") from None

    def _taken(self, file: str) -> Any:
        """The value in a file of the first process, which is removed."""
        here = self.place.fetched(file)
        value = shipping.read(here)
        with suppress(OSError):
            here.unlink()
        return value

    def _drop(self, files: list[str]) -> None:
        for file in dict.fromkeys(files):
            self.place.dropped(file)

    def _join(self) -> None:
        """They meet where the first of them listens."""
        if self._joined:
            return
        members, port = self.place.members, 0
        for member in members:
            local, here = self.place.here[member.index]
            where = ranks.Place(member.index, len(members), local, here, members[0].host, port, ranks.PATIENCE)
            member.tell(join=asdict(where), device=self.place.device)
            if member.index == 0:
                port = self._hear("port", 1)[0]
        self._joined = True

    def _stop(self) -> None:
        for member in self.place.members:
            member.tell(stop=True)

    def _hear(
        self, what: str, count: int, report: Report = lambda _: None, checkpoint: Checkpoint | None = None
    ) -> dict[int, Any]:
        """What so many of them say under a name, by number; events, warnings and states are passed on."""
        heard: dict[int, Any] = {}
        while len(heard) < count:
            try:
                index, message = self.place.said.get(timeout=LOOK)
            except Empty:
                self._check()
                continue
            if what in message:
                heard[index] = message[what]
            elif "event" in message:
                kind, *values = message["event"]
                report(EVENTS[kind](*values))
            elif "state" in message and checkpoint is not None:
                if not checkpoint.due:
                    self.place.dropped(message["state"])
                    continue
                with suppress(ConnectionError):  # who is gone is said by `_check`, and what was kept before stays
                    checkpoint.write(State(*self._taken(message["state"])))
            elif "note" in message:
                log.warning("%s", message["note"])
        return heard

    def _check(self) -> None:
        """Raises TrainingError where one of them has ended."""
        codes = [member.poll() for member in self.place.members]
        if all(code is None for code in codes):
            return
        end = time.monotonic() + GRACE
        while set(codes) <= {None, LOST} and time.monotonic() < end:
            time.sleep(LOOK)
            codes = [member.poll() for member in self.place.members]
        ended = [(code, member) for code, member in zip(codes, self.place.members, strict=True) if code is not None]
        code, member = min(ended, key=lambda one: (one[0] == LOST, one[0]))  # who was killed, then who failed
        raise TrainingError(*_why(code, member, len(codes)))


def _why(code: int, member: Any, count: int) -> tuple[str, str]:
    """What became of a process, and what to do."""
    name, lines = f"process {member.index + 1} of {count}", member.output()
    if code < 0:
        text = f"training ended: {name} is gone ({member.gone(code)})"
        return text, "a process that the system ends had too little memory: take fewer train.devices"
    if len(lines) >= 2 and lines[-2].startswith("error: ") and lines[-1].startswith("hint: "):
        return lines[-2].removeprefix("error: "), lines[-1].removeprefix("hint: ")
    return f"training ended: {name} failed: {lines[-1] if lines else 'it said nothing'}", "train with train.devices=1"


_CURRENT: ContextVar[Team | None] = ContextVar("team", default=None)


def current() -> Team | None:
    """The team that trains for this process; None where it trains itself."""
    return _CURRENT.get()


def several(train: TrainConfig) -> bool:
    """Whether more than one process is to train, or one somewhere in a cluster."""
    return train.devices * train.nodes > 1 or train.engine == "ray"


def dismiss() -> None:
    """End the processes of the team, if there is one: what comes after training is one pass without gradients over the
    windows of two parts, for which their memory and their cores are better free."""
    if (team := current()) is not None:
        team.place.close()


@contextmanager
def opened(train: TrainConfig, words: str = "tsforge ...") -> Iterator[None]:
    """Within the block as many processes train as are asked for; one block may lie within another.

    words: the command, for the hint where each machine has to be given it.
    Raises ConfigError where they cannot be had.
    """
    if not several(train) or current() is not None or ranks.current() is not None:
        yield
        return
    if (there := torchrun.place()) is not None:
        with _with_torchrun(train, there):
            yield
        return
    if train.nodes > 1 and train.engine != "ray":
        text = f"train.nodes = {train.nodes}: each machine has to start its part"
        raise ConfigError(text, f"run this on every one of them: {torchrun.command(train, words)}")
    with tempfile.TemporaryDirectory(prefix="tsforge-") as name:
        folder = Path(name)
        place = ray.Cluster(train, folder) if train.engine == "ray" else _machine(train, folder)
        before = _CURRENT.set(Team(place, folder))
        try:
            yield
        finally:
            _CURRENT.reset(before)
            place.close()


def _machine(train: TrainConfig, folder: Path) -> Machine:
    return Machine(train.devices, pick_device(train.device), folder)


@contextmanager
def _with_torchrun(train: TrainConfig, place: ranks.Place) -> Iterator[None]:
    """This process is one of those that torchrun has started."""
    torchrun.settings(train)
    device = pick_device(train.device)
    if device == "cuda":
        torch.cuda.set_device(place.local)
    with ranks.joined(place, device), torchrun.taken():
        yield


class Launched:
    """The training of a network by a team: what `TrainingLoop` is in this process.

    network: untrained; it is given the weights that are kept.
    """

    def __init__(
        self, team: Team, network: nn.Module, job: tuple[Experiment, Dataset, Checkpoint | None], report: Report
    ) -> None:  # fmt: skip
        self._team, self._network, self._job, self._report = team, network, job, report
        self._result = Result(Stop.STEPS)

    @property
    def stop(self) -> Stop:
        """Why it ended."""
        return self._result.stop

    def run(self) -> None:
        """From the first step to the last."""
        self._result = self._team.train(self._job, self._report)

    def finish(self) -> Trained:
        """The trained network. Raises TrainingError, or KeyboardInterrupt, where nothing was learned."""
        result = self._result
        if result.problem is not None:
            raise TrainingError(*result.problem) if result.problem else KeyboardInterrupt
        assert result.weights is not None
        self._network.load_state_dict(result.weights)
        rounds = tuple(result.rounds)
        return Trained(
            self._job[0], self._network.eval(), rounds, result.stop, result.started, result.seconds,
            threads=result.threads,
        )  # fmt: skip
