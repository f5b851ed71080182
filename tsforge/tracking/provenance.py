"""Where a result was made: versions, hardware, commit. Enough to say why a later one differs."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tsforge.version import __version__

DISTRIBUTION = "tsforge-toolkit"  # what is installed
PACKAGES = ("torch", "pytorch-lightning", "numpy", "pandas", "mlflow")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    installed = {"python": platform.python_version(), "tsforge": __version__}
    for name in PACKAGES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def hardware() -> dict[str, str]:
    """Processor, cores, memory, threads that torch computes with, GPU."""
    import torch

    facts = {
        "cpu": _processor(), "cores": str(os.cpu_count()), "threads": str(torch.get_num_threads()),
        "system": f"{platform.system()} {platform.machine()}",
    }  # fmt: skip
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        facts["memory_gb"] = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f}"
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def user() -> str:
    """The name of whoever runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's nameless user
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def commit(folder: Path) -> str | None:
    """The git commit of the folder, with "-dirty" where files differ from it; None outside a repository."""
    try:
        output = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return output.strip() or None


def peak_memory() -> dict[str, float]:
    """The most memory that this process has held so far, in MiB; of the GPU too where there is one."""
    import torch

    peaks = {}
    if sys.platform != "win32":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peaks["peak_mb"] = peak / (2**20 if sys.platform == "darwin" else 2**10)
    if torch.cuda.is_available():
        peaks["gpu_peak_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return peaks


def _processor() -> str:
    """The model's name, which `platform` does not know on Linux."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def optional() -> dict[str, list[str]]:
    """The optional parts of the package (its extras), and what of each is not installed; none of a bare checkout."""
    from importlib.metadata import metadata, requires

    from packaging.requirements import Requirement

    try:
        extras = [name for name in metadata(DISTRIBUTION).get_all("Provides-Extra") or [] if name != "test"]
    except PackageNotFoundError:
        return {}
    missing: dict[str, list[str]] = {name: [] for name in extras}
    for text in requires(DISTRIBUTION) or []:
        requirement = Requirement(text)
        for name in extras:
            if (
                requirement.marker is not None
                and requirement.marker.evaluate({"extra": name})
                and not _has(requirement.name)
            ):
                missing[name].append(requirement.name)
    return missing


def _has(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False
