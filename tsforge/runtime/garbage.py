"""Imports without Python's search for cycles of garbage, which takes a third of the time of importing torch.

A million objects come into being and none is garbage: yet Python looks through them again and again while they are
imported, and once more when the process ends. What is imported in a process of our own is put where it never looks.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_own: list[bool] = [False]


def own_process() -> None:
    """This process is ours, no notebook or program of somebody else: what is imported stays until its end."""
    _own[0] = True


@contextmanager
def paused() -> Iterator[None]:
    """Without a search for garbage inside, for imports; in a process of our own no search looks at them later."""
    enabled = gc.isenabled()
    if _own[0]:
        gc.collect()  # what is garbage by now would stay
    gc.disable()
    try:
        yield
    finally:
        if _own[0]:
            gc.freeze()
        if enabled:
            gc.enable()


def leave() -> None:
    """Spare the end of a process of our own the last search."""
    if _own[0]:
        gc.freeze()
