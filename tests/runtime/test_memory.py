"""Memory is held within the block alone, and nothing changes but the time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from tsforge.runtime import memory


class Library:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.settings: dict[int, int] = {}
        self.trims = 0

    def mallopt(self, name: int, value: int) -> int:
        self.settings[name] = value
        return 1

    def malloc_trim(self, _pad: int) -> int:
        self.trims += 1
        return 1


def test_it_ends_with_the_block_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that failed, after which the process never gives memory back."""
    library = Library()
    monkeypatch.setattr(memory, "_glibc", lambda: library)
    during: dict[int, int] = {}

    def fails() -> None:
        with memory.held():
            during.update(library.settings)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert during == {memory.MAPS: 0, memory.TRIM: memory.HELD}
    assert library.settings == memory.USUAL
    assert library.trims == 1


def test_without_glibc_the_block_runs_as_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that fails on macOS, Windows or musl."""
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory.held():
        assert float(torch.ones(3).sum()) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_was_held_is_given_back() -> None:
    """Hundreds of megabytes that a process keeps once it has trained."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    before = resident()
    with memory.held():
        blocks = [torch.ones(2**20) for _ in range(50)]  # 200 MiB
        assert resident() - before > 150 * 2**20
        del blocks
    assert resident() - before < 50 * 2**20
