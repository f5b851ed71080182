"""Which GPU each worker of a machine has, and how much of its memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tsforge.errors import ConfigError
from tsforge.sweeping.workers.job import Job

LEAST = 2**30  # bytes that a worker needs: CUDA itself takes half of them


class Device(NamedTuple):
    """A GPU: its name for CUDA_VISIBLE_DEVICES, and its memory in bytes."""

    name: str
    free: int
    total: int


def available(device: str) -> list[Device]:
    """The GPUs that workers can have, where `train.device` lets them have any."""
    import torch

    if device == "cpu" or not torch.cuda.is_available():
        return []
    count = torch.cuda.device_count()
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = names if len(names) == count else [str(i) for i in range(count)]
    return [Device(name, *torch.cuda.mem_get_info(i)) for i, name in enumerate(names)]


def spread(jobs: Sequence[Job], devices: Sequence[Device]) -> list[Job]:
    """A GPU for each job, in turn, and a share of its free memory. Raises ConfigError where that is too little."""
    if not devices:
        return list(jobs)
    placed = []
    for i, job in enumerate(jobs):
        device = devices[i % len(devices)]
        neighbours = len(range(i % len(devices), len(jobs), len(devices)))
        share = device.free // neighbours
        if share < LEAST:
            text = f"{neighbours} workers share {device.free / 2**30:.1f} GB that are free on GPU {device.name}"
            hint = "take fewer sweep.workers, or train.device=cpu"
            raise ConfigError(f"{text}, {LEAST / 2**30:.0f} GB are the least for one", hint)
        placed.append(replace(job, device=device.name, memory=share / device.total))
    return placed


def limit(share: float) -> None:
    """This process runs out of memory by itself, before it takes that of its neighbours."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(min(1.0, share))
