"""How far a long piece of work is, told to whoever asked to hear it."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[str, int, int], None]  # what is done, how much of it, out of how much

_LISTENERS: list[Listener] = []


def listen(listener: Listener | None) -> None:
    """From now on tell a listener, in place of any before; none where it is None."""
    _LISTENERS[:] = [listener] if listener is not None else []


def tell(work: str, done: int, total: int) -> None:
    """Tell how far a piece of work is; it ends when all is done."""
    for listener in _LISTENERS:
        listener(work, done, total)
