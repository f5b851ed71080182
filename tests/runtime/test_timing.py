"""Timing: who takes turns, which time counts, when it ends. On a clock that moves only while work is done."""

from __future__ import annotations

import time

import pytest

from tsforge.runtime import timing


class Clock:
    """A clock that moves while `work` is done, by the next of the seconds that it is given."""

    def __init__(self, patch: pytest.MonkeyPatch, seconds: list[float]) -> None:
        self.now, self.seconds, self.order = 0.0, iter(seconds), list[str]()
        patch.setattr(time, "perf_counter", lambda: self.now)

    def work(self, name: str = "") -> None:
        self.order.append(name)
        self.now += next(self.seconds)


def test_pieces_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """One piece measured in a busy moment that the other was spared."""
    clock = Clock(monkeypatch, [1, 2, 3, 4])
    seconds = timing.rounds({"a": lambda: clock.work("a"), "b": lambda: clock.work("b")}, 2)
    assert clock.order == ["a", "b", "a", "b"]
    assert seconds == {"a": [1, 3], "b": [2, 4]}


def test_the_fastest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timing.best(Clock(monkeypatch, [3, 1, 2]).work, 3) == 1


def test_no_round_begins_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow network that is measured five times all the same."""
    clock = Clock(monkeypatch, [2, 1.5, 0.1])
    assert timing.best(clock.work, 3, limit=3.0) == 1.5
    assert len(clock.order) == 2
