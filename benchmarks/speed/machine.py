"""What a measurement was taken on, and how busy other programs kept it meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOISY = 0.15  # cores that others may use in a measurement that is called quiet
OWN = ("torch", "pytorch-lightning", "numpy", "pandas", "pyarrow")


class Others:
    """How many cores other programs kept busy from here on; what children of this process use is not others'.

    Linux tells; elsewhere the answer is None.
    """

    def __init__(self) -> None:
        self._start, self._busy, self._own = time.perf_counter(), _busy(), _own()

    def cores(self) -> float | None:
        """On average since this was made. Children count once they have ended."""
        busy, seconds = _busy(), time.perf_counter() - self._start
        if busy is None or self._busy is None or not seconds:
            return None
        return max(0.0, ((busy - self._busy) - (_own() - self._own)) / seconds)


def _busy() -> float | None:
    """Seconds that all cores together have worked since the machine was started."""
    try:
        line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    except OSError:
        return None
    ticks = [int(word) for word in line.split()[1:9]]
    return float(sum(ticks) - ticks[3] - ticks[4]) / float(os.sysconf("SC_CLK_TCK"))


def _own() -> float:
    """Seconds of the processor that this process and its ended children have used."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_memory() -> float:
    """MiB that this process had resident at most.

    Linux's own count begins with the program; that of `getrusage` with the process that started it.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    except (OSError, IndexError):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if platform.system() == "Darwin" else peak / 2**10


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions(names: Iterable[str]) -> dict[str, str]:
    """Of the packages that are installed here, by name."""
    installed = {}
    for name in names:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def describe() -> dict[str, Any]:
    """Date, processor, cores, memory, versions, and the commit that is measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"), "processor": _processor(), "cores": cores(),
        "memory_gib": round(memory, 1), "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(), "versions": versions(OWN), "commit": _commit(),
    }  # fmt: skip


def sentence(facts: dict[str, Any]) -> str:
    """The same as one line below a table."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return (
        f"{facts['date']}, {facts['cores']} cores ({facts['processor']}), {facts['memory_gib']} GiB, "
        f"{facts['system']}, Python {facts['python']}, {packages}, commit {facts['commit']}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    """Of the checkout, with "+" where files were changed since; "unknown" where there is no git."""
    try:
        asked = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
