"""Memory that torch's steps on the CPU take and free, and how much there is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

TRIM, MAP, MAPS = -1, -3, -4  # glibc's M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_MMAP_MAX (malloc.h)
HELD = 2**30  # bytes that may lie free at the end of the heap inside of `held`
# What is set behind it: glibc adapts these by itself no longer once one was set, and this is as far as it would go.
USUAL = {MAPS: 65_536, MAP: 2**25, TRIM: 2**26}


@contextmanager
def held() -> Iterator[None]:
    """What is freed inside is held for what is taken next; as always where the C library is not glibc.

    By default glibc maps large blocks anew each time, and the kernel clears every page of them again: up to a third of
    a step that takes some tens of megabytes. Behind the block, what is free is given back.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(MAPS, 0)
    library.mallopt(TRIM, HELD)
    try:
        yield
    finally:
        for name, value in USUAL.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


def _glibc() -> Any:
    """The C library of this process, None where it is no glibc."""
    if sys.platform != "linux":
        return None
    import ctypes

    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


def free() -> int:
    """Bytes of memory that this process may still take: of the machine, or of its control group where that has less.

    A large number where nothing says.
    """
    amounts = [2**62]
    try:
        facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        amounts.append(int(facts["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            amounts.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for most, taken in _group_files():
        with suppress(OSError, ValueError):
            amounts.append(max(0, int(most.read_text()) - int(taken.read_text())))
    return min(amounts)


def _group_files() -> list[tuple[Path, Path]]:
    """The files with the limit and the use of memory of this process's control groups, of either version."""
    root, own = Path("/sys/fs/cgroup"), [("", "")]
    with suppress(OSError, ValueError):
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
        own += [(kind, path.strip("/")) for _, kind, path in (line.split(":", 2) for line in lines)]
    second = [root / path for kind, path in own if not kind]
    first = [root / "memory" / path for kind, path in own if kind in ("", "memory")]
    return [(p / "memory.max", p / "memory.current") for p in second] + [
        (p / "memory.limit_in_bytes", p / "memory.usage_in_bytes") for p in first
    ]
