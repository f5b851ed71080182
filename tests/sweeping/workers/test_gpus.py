"""Workers and GPUs, on machines that have none: who gets which, and how much of it."""

from __future__ import annotations

import pytest
import torch

from tsforge.errors import ConfigError
from tsforge.sweeping.workers import gpus
from tsforge.sweeping.workers.gpus import Device
from tsforge.sweeping.workers.job import Job, read

GB = 2**30


def jobs(count: int) -> list[Job]:
    return [Job("s", "s", 9, i) for i in range(count)]


def test_workers_take_gpus_in_turn_and_share_their_memory() -> None:
    """Prevents: all workers on the first GPU, and two that together take more than it has."""
    two = [Device("4", 70 * GB, 80 * GB), Device("7", 40 * GB, 40 * GB)]
    placed = gpus.spread(jobs(5), two)
    assert [job.device for job in placed] == ["4", "7", "4", "7", "4"]
    assert [job.memory for job in placed] == pytest.approx([70 / 80 / 3, 0.5, 70 / 80 / 3, 0.5, 70 / 80 / 3])
    for device in two:
        used = sum(job.memory * device.total for job in placed if job.device == device.name)
        assert used <= device.free * (1 + 1e-9)
    assert placed[1].environment()["CUDA_VISIBLE_DEVICES"] == "7"
    assert read(placed[1].text()) == placed[1]


def test_too_little_memory_is_said_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match=r"3 workers share 2\.0 GB .* GPU 0") as caught:
        gpus.spread(jobs(3), [Device("0", 2 * GB, 80 * GB)])
    assert "sweep.workers" in caught.value.hint


def test_without_a_gpu_nothing_is_said_of_one() -> None:
    placed = gpus.spread(jobs(2), gpus.available("cpu"))
    assert placed == jobs(2)
    assert "CUDA_VISIBLE_DEVICES" not in placed[0].environment()


def test_the_names_are_those_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a scheduler's choice of GPUs undone by numbers that count from 0."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda i: (GB * (i + 1), 8 * GB))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,2")
    assert gpus.available("auto") == [Device("5", GB, 8 * GB), Device("2", 2 * GB, 8 * GB)]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert [d.name for d in gpus.available("cuda")] == ["0", "1"]
    assert gpus.available("cpu") == []
