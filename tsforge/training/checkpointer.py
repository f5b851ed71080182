"""The checkpoint of a fit: a folder beside its model, from which another process goes on with it.

fit.json                    what is fitted on what, for how long so far, and where it is recorded; sealed by a sha256
training.safetensors        the state of its training
training.NAME.safetensors   those of members and candidates

It is written after validations and goes when the model is saved.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from tsforge.config import Config, parse
from tsforge.data.dataset import Dataset
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.experiment import Experiment
from tsforge.fitted import manifest, naming
from tsforge.runtime import drafts, files
from tsforge.training.checkpoint import ENDING, Checkpoint, check
from tsforge.training.monitor import State
from tsforge.version import __version__

log = logging.getLogger("tsforge")

FORMAT = 1
EVERY = 5.0  # seconds between writes at least: a fit that is shorter writes nothing
SHARE = 0.01  # of a fit's time that writes take at most
AFTER_FAILURE = 60.0  # seconds until a disk that was full is tried again


class Plan(Config):
    """What fit.json says.

    key: of the fit, which its states name too.
    experiment: as it was asked for, its sizes not settled.
    data, digest: path of the table, None for one in memory, and what it held. weights: sha256 of those it starts from.
    seconds: used up to the last state.
    record: what goes on with the record of the fit, by whoever keeps one.
    """

    format: int = FORMAT
    tsforge: str = __version__
    key: str
    experiment: Experiment
    data: str | None = None
    digest: str
    weights: str | None = None
    seconds: float = 0.0
    record: dict[str, Any] = Field(default_factory=dict)


class Checkpointer:
    """Keeps the state of one fit, as a `Keeper`; make it with `begin` or `take_up`, and fit within its block.

    folder: of the model. checkpoint: for its training. record: see `Plan`.
    seconds: that earlier processes took, up to their last state.
    dataset: what is trained on, named before training begins.
    """

    def __init__(self, folder: Path, experiment: Experiment, plan: Plan | None = None) -> None:
        self.folder, self.place, self.experiment = folder, naming.checkpoint(folder), experiment
        self.record: dict[str, Any] = dict(plan.record) if plan else {}
        self.seconds = plan.seconds if plan else 0.0
        self.dataset: Dataset | None = None
        self._key = plan.key if plan else secrets.token_hex(16)
        self._plan = plan
        self.checkpoint = Checkpoint(self.place / f"training{ENDING}", self._key, self)
        self._waiting: list[tuple[Checkpoint, State]] = []
        self._next = time.perf_counter() + EVERY
        self._lock: int | None = None
        self._off = self._warned = False

    @property
    def source(self) -> str | None:
        """Where the data of a fit that goes on lay; None for a table in memory."""
        return self._plan.data if self._plan is not None else None

    @property
    def every(self) -> float:
        return EVERY

    @property
    def due(self) -> bool:
        return not self._off and time.perf_counter() >= self._next

    @property
    def plan(self) -> Plan:
        """What is fitted, of a fit that goes on."""
        assert self._plan is not None
        return self._plan

    @property
    def written(self) -> bool:
        """Whether there is something to go on from."""
        return self._plan is not None

    def keep(self, checkpoint: Checkpoint, state: State) -> None:
        """Write a state where that costs little of the time since the last; what is finished waits until then."""
        finished = bool(state.facts.get("finished"))
        if finished:
            self._waiting.append((checkpoint, state))
        if self.due:
            self._write([] if finished else [(checkpoint, state)])

    def check_data(self, dataset: Dataset) -> None:
        """Take the data of a fit that is gone on with; raises DataError where they are not those it began with."""
        self.dataset = dataset
        if self._plan is None:
            return
        self._plan = self._plan.model_copy(update={"data": dataset.config.path})
        if dataset.panel.digest() != self._plan.digest:
            raise DataError(
                f"{dataset.panel.name}: not the data that the fit of {self.folder} began with: they have changed",
                f"bring the old ones back, or fit anew{_command(self._plan)}",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the folder to others; of a fit that was stopped, with what waits, if anything was written before."""
        if self.written and self._waiting:
            self._write([])
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def remove(self) -> None:
        """The model is saved: nobody will go on with its fit."""
        self._waiting.clear()
        self._plan = None
        if self._lock is None and self.place.exists():  # nothing was written: what lies there may be another's
            try:
                self.claim()
            except BlockingIOError:
                return
        if not self._off:
            shutil.rmtree(self.place, ignore_errors=True)

    def claim(self) -> None:
        """Make the folder this process's; raises BlockingIOError where it is another's."""
        self._lock = drafts.lock(self.place)

    def _write(self, states: list[tuple[Checkpoint, State]]) -> None:
        """What waits, the states, and the plan. A disk that is full is no reason to stop training."""
        start, wait = time.perf_counter(), EVERY
        try:
            if not self.written:
                self._begin()
            for checkpoint, state in [*self._waiting, *states]:
                checkpoint.put(state)
            self._note()
            self._waiting.clear()
        except BlockingIOError:
            self._off = True
            log.warning("no checkpoint: %s belongs to another fit, which still runs", self.place)
        except OSError as problem:
            wait = AFTER_FAILURE
            if not self._warned:
                log.warning("no checkpoint: %s cannot be written: %s", self.place, problem.strerror)
            self._warned = True
        end = time.perf_counter()
        self._next = end + max(wait, (end - start) / SHARE)

    def _begin(self) -> None:
        """An empty folder; what a fit that is begun anew has left in it goes."""
        self.place.mkdir(0o700, parents=True, exist_ok=True)  # the record may name an address with a password
        if self._lock is None:
            self.claim()
        (self.place / naming.PLAN).unlink(missing_ok=True)
        for path in self.place.iterdir():
            path.unlink()

    def _note(self) -> None:
        """Write the plan."""
        dataset, plan = self.dataset, self._plan
        assert dataset is not None
        if plan is None:
            plan = Plan(
                key=self._key, experiment=self.experiment, data=dataset.config.path, digest=dataset.panel.digest(),
                weights=_weights(self.experiment),
            )  # fmt: skip
        seconds = self.seconds + time.perf_counter() - dataset.began
        self._plan = plan.model_copy(update={"seconds": seconds, "record": self.record})
        values = self._plan.model_dump(mode="json", exclude_none=True)
        files.write(
            self.place / naming.PLAN, json.dumps({"sha256": _seal(values), "plan": values}, indent=1), sync=True
        )


def begin(experiment: Experiment, dataset: Dataset, folder: Path) -> Checkpointer:
    """Of a new fit; with a warning where there is one that could be gone on with.

    experiment: as it was asked for, its sizes not settled.
    """
    if naming.is_unfinished(folder):
        log.warning(
            "a fit of %s was stopped before its end: `tsforge fit --resume %s` goes on with it; this one begins anew "
            "and takes its place", folder, folder,
        )  # fmt: skip
    if experiment.train.start is not None:
        experiment = experiment.with_train({"start": str(Path(experiment.train.start).resolve())})
    keeper = Checkpointer(folder, experiment)
    keeper.dataset = dataset
    return keeper


def take_up(folder: Path) -> Checkpointer:
    """Of a fit that was stopped; `check_data` takes its data.

    folder: of its model, or its checkpoint folder. Raises ModelError where there is nothing to go on with, or it is
    damaged, of another version, or still written.
    """
    folder = folder.with_name(folder.name.removesuffix(naming.CHECKPOINT))
    place = naming.checkpoint(folder)
    if not naming.is_unfinished(folder):
        if (folder / manifest.NAME).is_file():
            raise ModelError(f"{folder}: nothing to resume: its fit came to its end", "fit again without resuming")
        hint = f"a fit that is stopped in its first {EVERY:.0f} seconds leaves nothing: begin it anew"
        raise ModelError(f"{folder}: nothing to resume: there is no {place}", hint)
    plan = _read(place)
    keeper = Checkpointer(folder, plan.experiment, plan)
    try:
        keeper.claim()
    except BlockingIOError:
        raise ModelError(f"{folder}: its fit still runs in another process", "wait for it, or stop it first") from None
    with contextlib.ExitStack() as stack:
        stack.enter_context(keeper)
        _check(place, plan)
        stack.pop_all()
    return keeper


def _read(place: Path) -> Plan:
    """The plan in a checkpoint folder."""
    path = place / naming.PLAN
    document = manifest.read_json(path)
    values = document.get("plan")
    if not isinstance(values, dict) or document.get("sha256") != _seal(values):
        raise ModelError(f"{path}: damaged: its sha256 is not what was written", f"remove {place} and fit anew")
    if (values.get("format"), values.get("tsforge")) != (FORMAT, __version__):
        raise ModelError(
            f"{path}: written by tsforge {values.get('tsforge')}; this is tsforge {__version__}",
            f"go on with the tsforge that wrote it, or fit anew{_command(values)}",
        )
    try:
        return parse(Plan, values, naming.PLAN)
    except ConfigError as problem:
        raise ModelError(f"{path}: damaged: {problem}", f"remove {place} and fit anew") from None


def _check(place: Path, plan: Plan) -> None:
    """Raises ModelError for a state that is damaged, or other weights to begin with than there were."""
    for path in sorted(place.glob(f"*{ENDING}")):
        try:
            check(path)
        except ValueError as problem:
            hint = f"without this file the training that it belongs to begins anew; or fit anew{_command(plan)}"
            raise ModelError(f"{path}: damaged: {problem}", hint) from None
    several = plan.experiment.ensemble > 1 or plan.experiment.train.refit == "all"
    if several and plan.weights != _weights(plan.experiment):  # of a single network the state holds them all
        start = plan.experiment.train.start
        raise ModelError(f"{start}: not the weights that the fit began with", f"fit anew{_command(plan)}")


def _weights(experiment: Experiment) -> str | None:
    """What the weights that an experiment begins with hold."""
    start = experiment.train.start
    return manifest.read(Path(start)).sha256[manifest.WEIGHTS] if start is not None else None


def _seal(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _command(plan: Plan | dict[str, Any]) -> str:
    """The command that fits anew, where it is known."""
    record = plan.record if isinstance(plan, Plan) else plan.get("record")
    command = record.get("command") if isinstance(record, dict) else None
    return f": {command}" if command else ""
