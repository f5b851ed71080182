"""Trials that wait for each other where they train, so that those of one shape train side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tsforge.data.dataset import Dataset
from tsforge.experiment import Experiment
from tsforge.training import fitting, single, stacked
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Report
from tsforge.training.loop import Trained


class Train(Protocol):
    """As `fitting.train`."""

    def __call__(
        self, experiment: Experiment, dataset: Dataset, report: Report | None = None, keep: Checkpoint | None = None
    ) -> Trained: ...


def together(works: Sequence[Callable[[Train], Any]]) -> None:
    """Do several pieces of work, each of which trains by the function that it is given; one at a time, but for that."""
    meeting = _Meeting(len(works))
    threads = [threading.Thread(target=meeting.attend, args=(work,), name=f"trial {i}") for i, work in enumerate(works)]
    for thread in threads:
        thread.start()
    meeting.hold()
    for thread in threads:
        thread.join()
    if meeting.problems:
        raise meeting.problems[0]


@dataclass
class _Asked:
    """A training that somebody waits for."""

    experiment: Experiment
    dataset: Dataset
    report: Report | None
    keep: Checkpoint | None
    result: Trained | None = None
    problem: Exception | None = None

    @property
    def done(self) -> bool:
        return self.result is not None or self.problem is not None


class _Meeting:
    """Whoever wants to train waits until all who are present do; then it is done for them by the thread that holds it.

    By one thread, as each that computes with torch has helpers of its own, which stand in each other's way.
    """

    def __init__(self, count: int) -> None:
        self.present = count
        self.problems: list[BaseException] = []
        self._turn = threading.Condition()  # one at a time: random numbers are the process's
        self._asked: list[_Asked] = []

    def attend(self, work: Callable[[Train], Any]) -> None:
        with self._turn:
            try:
                work(self._learn)
            except BaseException as problem:
                self.problems.append(problem)
            finally:
                self.present -= 1
                self._turn.notify_all()

    def hold(self) -> None:
        """Until all have left."""
        with self._turn:
            while self._turn.wait_for(lambda: len(self._asked) == self.present) and self.present:
                asked, self._asked = self._asked, []
                groups: dict[str, list[_Asked]] = {}
                for i, one in enumerate(asked):
                    groups.setdefault(stacked.likeness(one.experiment, one.dataset) or f"alone {i}", []).append(one)
                for group in groups.values():
                    _train(group)
                self._turn.notify_all()

    def _learn(
        self, experiment: Experiment, dataset: Dataset, report: Report | None = None, keep: Checkpoint | None = None
    ) -> Trained:
        mine = _Asked(experiment, dataset, report, keep)
        self._asked.append(mine)
        self._turn.notify_all()
        self._turn.wait_for(lambda: mine.done)
        if mine.problem is not None:
            raise mine.problem
        assert mine.result is not None
        return mine.result


def _train(group: Sequence[_Asked]) -> None:
    try:
        if stacked.likeness(group[0].experiment, group[0].dataset) is None:
            (one,) = group
            one.result = fitting.train(one.experiment, one.dataset, one.report, one.keep)
            return
        courses = [single.begin(one.experiment, one.dataset, one.report, one.keep) for one in group]
        ends = stacked.run(courses)
    except Exception as problem:  # of all of a pack, as where memory is short
        for one in group:
            one.problem = problem
        return
    for one, course, end in zip(group, courses, ends, strict=True):
        try:
            if end is not None:
                raise end
            one.result = course.finish()
        except Exception as problem:
            one.problem = problem
