"""Timing: who takes turns, which time counts, when it ends. On a clock that moves only while work is done."""

from __future__ import annotations

import builtins
import threading
import time
from pathlib import Path

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


def test_stages_within_stages_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture counted as saving too, or what no stage names lost: the parts would not be the whole."""
    clock = Clock(monkeypatch, [1, 2, 4, 8, 16, 32])
    clock.work()
    timing.start(0)

    @timing.stage("saving")
    def save() -> None:
        clock.work()
        with timing.stage("pictures"):
            clock.work()
        clock.work()

    save()
    clock.work()
    with timing.stage("pictures"):
        clock.work()
    assert timing.stop() == {"imports": 1, "saving": 2 + 8, "pictures": 4 + 32, "other": 16}
    assert timing.stop() == {}


def test_a_stage_that_fails_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is caught, after which all that follows counts as what failed."""
    clock = Clock(monkeypatch, [1, 2])
    timing.start(0)

    @timing.stage("training")
    def fail() -> None:
        clock.work()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    clock.work()
    assert timing.stop() == {"imports": 0, "training": 1, "other": 2}


def test_imports_are_a_stage_wherever_they_stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Seconds of imports in a function counted as the work of that function; an import that fails, or its hook kept."""
    plain = builtins.__import__
    (tmp_path / "slow_to_import.py").write_text("import time; time.clock.work()\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    clock = Clock(monkeypatch, [1, 2])
    monkeypatch.setattr(time, "clock", clock, raising=False)
    timing.start(0)
    with timing.stage("reading"):
        clock.work()
        import slow_to_import  # type: ignore[import-not-found]  # noqa: F401

        with pytest.raises(ImportError):
            import not_there_at_all  # type: ignore[import-not-found]  # noqa: F401
    assert timing.stop() == {"imports": 2, "reading": 1, "other": 0}
    assert builtins.__import__ is plain


def test_other_threads_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages of two threads within each other: parts that are more than the whole."""
    clock = Clock(monkeypatch, [1, 2])
    timing.start(0)
    with timing.stage("forecasting"):
        clock.work()
        thread = threading.Thread(target=timing.stage("reading")(clock.work))
        thread.start()
        thread.join()
    assert timing.stop() == {"imports": 0, "forecasting": 3, "other": 0}
