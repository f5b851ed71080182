"""Imports without the search for garbage: what is searched again, and whose process is left as it was."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from tsforge.runtime import garbage


class Node:
    """Something that may refer to itself."""

    def __init__(self) -> None:
        self.me = self


def test_in_another_program_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a notebook's objects that are never freed, as a fit has frozen them; a search that stays off."""
    monkeypatch.setattr(garbage, "_own", [False])
    frozen = gc.get_freeze_count()
    with garbage.paused():
        assert not gc.isenabled()
        ref = weakref.ref(Node())
    garbage.leave()
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen
    gc.collect()
    assert ref() is None


def test_an_import_that_fails_leaves_the_search_on() -> None:
    """Prevents: memory that fills up after an error."""

    def fail() -> None:
        with garbage.paused():
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    """Prevents: a search that a program has turned off, turned on by an import."""
    gc.disable()
    try:
        with garbage.paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_in_a_process_of_its_own_garbage_is_still_freed() -> None:
    """Prevents: a process that keeps what it trains with, since everything was frozen: only the imports are."""
    code = """
import gc, weakref
from tsforge.runtime import garbage
class Node:
    def __init__(self): self.me = self
garbage.own_process()
before = weakref.ref(Node())
with garbage.paused():
    import decimal
after = weakref.ref(Node())
gc.collect()
print(before() is None, after() is None, gc.isenabled(), gc.get_freeze_count() > 1000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 4
