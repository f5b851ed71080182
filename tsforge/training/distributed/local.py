"""The processes of a team on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tsforge.errors import ConfigError
from tsforge.runtime import processes

WORKER = "tsforge.training.distributed.worker"
Said = tuple[int, dict[str, Any]]  # by which process, and what


class Process:
    """One that was started, in a session of its own, which a Ctrl-C at the terminal does not reach: it reaches us.

    said: where what it says is put, with its number. log: a file for its errors.
    """

    host = "127.0.0.1"

    def __init__(self, index: int, said: SimpleQueue[Said], log: Path, env: Mapping[str, str]) -> None:
        self.index, self._log = index, log
        import subprocess

        with log.open("a", encoding="utf-8") as file:
            self._process = processes.start(WORKER, out=subprocess.PIPE, err=file, env=env)
        threading.Thread(target=self._listen, args=(said,), daemon=True).start()
        self.tell(folder=str(log.parent.absolute()))

    @property
    def pid(self) -> int:
        return self._process.pid

    def _listen(self, said: SimpleQueue[Said]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):  # the last line of one that was killed
                said.put((self.index, json.loads(line)))

    def tell(self, **order: Any) -> None:
        """Nothing is said of one that is gone: that is seen by `poll`."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def poll(self) -> int | None:
        """None while it runs, then its exit code; below 0 where it was killed by that signal."""
        return self._process.poll()

    def gone(self, code: int) -> str:
        """How it ended, in words."""
        return f"killed by {signal.Signals(-code).name}"

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def output(self) -> list[str]:
        """The lines of its log."""
        return self._log.read_text(encoding="utf-8", errors="replace").splitlines()


class Machine:
    """This machine, as where a team works. count: of processes. device: "cpu" or "cuda", one GPU to each."""

    def __init__(self, count: int, device: str, folder: Path) -> None:
        self.said: SimpleQueue[Said] = SimpleQueue()
        self.device = device
        devices = gpus(count) if device == "cuda" else [None] * count
        self.members = [
            Process(i, self.said, folder / f"process-{i + 1}.log", environment(count, name))
            for i, name in enumerate(devices)
        ]
        self.here = [(i, count) for i in range(count)]  # of each process: its number on its machine, and of how many

    def sent(self, file: Path) -> list[str]:
        """Where each process finds a file of ours."""
        return [str(file)] * len(self.members)

    def fetched(self, file: str) -> Path:
        """Where we find a file of the first process, which is ours then."""
        return Path(file)

    def dropped(self, file: str) -> None:
        """A file of the first process, or one that was sent to all, is wanted no more."""
        with contextlib.suppress(OSError):  # on Windows one that is still mapped stays until the folder goes
            Path(file).unlink()

    def close(self) -> None:
        """End all of them."""
        while self.members:
            self.members.pop().kill()


def environment(count: int, gpu: str | None = None) -> dict[str, str]:
    """Variables of each of `count` processes of a machine: its share of the cores, its GPU."""
    variables = {"OMP_NUM_THREADS": str(share(count))}
    if sys.platform == "linux":
        variables["GLOO_SOCKET_IFNAME"] = "lo"  # else it goes by the machine's name, which need not be found
    return variables | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu is not None else {})


def share(count: int) -> int:
    """Threads of each of `count` processes that share this machine."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, (int(asked) if asked.isdigit() and int(asked) else cores) // count)


def gpus(count: int) -> list[str]:
    """The names of the first GPUs, one to a process. Raises ConfigError where there are too few."""
    import torch

    there = torch.cuda.device_count()
    if count > there:
        text = f"train.devices = {count}, and this machine has {there} GPU{'s' if there != 1 else ''}"
        raise ConfigError(text, f"train.devices={max(there, 1)}, or train.device=cpu for processes without one")
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return names[:count] if len(names) == there else [str(i) for i in range(count)]
