"""The processes of a team in a Ray cluster: an actor starts each of them on its machine, and stays with it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import tempfile
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from tsforge.errors import ConfigError
from tsforge.runtime import cluster
from tsforge.training.distributed.local import Process, Said, environment

if TYPE_CHECKING:  # an actor is no place for torch, which takes seconds to import
    from tsforge.experiment import TrainConfig

PLACED = 60.0  # seconds in which the cluster must have room for all
WAIT = 0.2  # seconds that an actor waits for something to pass on


class Cluster:
    """A Ray cluster, as where a team works: `train.devices` processes on each of `train.nodes` machines.

    folder: for files that come from there. Raises ConfigError where there is no such cluster, or no room in it.
    """

    def __init__(self, train: TrainConfig, folder: Path) -> None:
        self._stack = contextlib.ExitStack()
        self._folder = folder
        self.said: SimpleQueue[Said] = SimpleQueue()
        self.members: list[Member] = []
        self._sent: dict[str, Member] = {}
        self.here = [(i % train.devices, train.devices) for i in range(train.devices * train.nodes)]
        try:
            self._begin(train)
        except BaseException:
            self.close()
            raise

    def _begin(self, train: TrainConfig) -> None:
        self._stack.enter_context(cluster.connected(train.address, train.devices * train.nodes, "train.address"))
        self._ray = ray = cluster.package()
        self.device = "cuda" if train.device == "cuda" or (train.device == "auto" and _has_gpus(train)) else "cpu"
        threads = _threads(train)
        needs = {"CPU": float(threads)} | ({"GPU": 1.0} if self.device == "cuda" else {})
        machine = {name: value * train.devices for name, value in needs.items()}
        strategy = "STRICT_SPREAD" if train.nodes > 1 else "STRICT_PACK"
        with cluster.answering("making room for the processes"):
            group = ray.util.placement_group([machine] * train.nodes, strategy=strategy)
        self._stack.callback(ray.util.remove_placement_group, group)
        if not group.wait(PLACED):
            wanted = ", ".join(f"{value:g} {name}" for name, value in machine.items())
            text = f"the Ray cluster has no {train.nodes} machine{'s' if train.nodes > 1 else ''} with {wanted} free"
            raise ConfigError(text, "take fewer train.devices or train.nodes; train.threads says how many CPUs to take")
        scheduling = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
        env = environment(1) | {"OMP_NUM_THREADS": str(threads)}
        if train.nodes > 1:
            env.pop("GLOO_SOCKET_IFNAME", None)
        for i in range(train.devices * train.nodes):
            where = scheduling(group, placement_group_bundle_index=i // train.devices)
            actor = ray.remote(
                num_cpus=needs["CPU"], num_gpus=needs.get("GPU", 0), max_restarts=0, scheduling_strategy=where
            )(Agent).remote(i, env)  # fmt: skip
            self.members.append(Member(i, actor, self.said, local=train.nodes == 1))

    def sent(self, file: Path) -> list[str]:
        """Where each process finds a file of ours: it is written once on every machine."""
        content = file.read_bytes()
        file.unlink()
        with cluster.answering(f"sending {file.name}"):
            shared = self._ray.put(content)
            paths = self._ray.get([m.actor.write.remote(file.name, shared) for m in self._firsts])
        self._sent |= dict(zip(paths, self._firsts, strict=True))
        return [paths[i // self.here[0][1]] for i in range(len(self.members))]

    @property
    def _firsts(self) -> list[Member]:
        """The first process of each machine."""
        return [m for m, (local, _) in zip(self.members, self.here, strict=True) if local == 0]

    def fetched(self, file: str) -> Path:
        """Where we find a file of the first process, which is no longer there; ConnectionError where that is gone."""
        path = self._folder / f"fetched-{Path(file).name}"
        try:
            content = self._ray.get(self.members[0].actor.take.remote(file))
        except self._ray.exceptions.RayError as problem:
            raise ConnectionError(cluster.reason(problem)) from None
        path.write_bytes(content)
        return path

    def dropped(self, file: str) -> None:
        """A file of the first process, or one that was sent to a machine, is wanted no more."""
        member = self._sent.pop(file, self.members[0])
        member.actor.drop.remote(file)

    def close(self) -> None:
        """End all of them, and leave the cluster."""
        while self.members:
            self.members.pop().kill()
        self._stack.close()


class Member:
    """A process of the cluster, through the actor that started it. local: whether all are on one machine."""

    def __init__(self, index: int, actor: Any, said: SimpleQueue[Said], *, local: bool) -> None:
        self.index, self.actor = index, actor
        with cluster.answering(f"starting process {index + 1}"):
            address, self.name = cluster.package().get(actor.address.remote())
        self.host = "127.0.0.1" if local else address
        self._code: int | None = None
        self._output: list[str] = []
        self._over = False
        threading.Thread(target=self._listen, args=(said,), daemon=True).start()

    def _listen(self, said: SimpleQueue[Said]) -> None:
        ray = cluster.package()
        while self._code is None and not self._over:
            try:
                messages, code, self._output = ray.get(self.actor.hear.remote())
            except Exception:  # the actor is gone, and its machine perhaps
                self._code = -signal.SIGKILL
                return
            for message in messages:
                said.put((self.index, message))
            self._code = code

    def tell(self, **order: Any) -> None:
        self.actor.tell.remote(order)

    def poll(self) -> int | None:
        return self._code

    def gone(self, _code: int) -> str:
        """How it ended, in words."""
        return f"on {self.name}, which no longer answers or has ended it"

    def kill(self) -> None:
        """The process, which ends where its actor is gone."""
        self._over = True
        ray = cluster.package()
        with contextlib.suppress(Exception):
            ray.get(self.actor.close.remote(), timeout=2 * WAIT + 1)
        with contextlib.suppress(Exception):
            ray.kill(self.actor)

    def output(self) -> list[str]:
        return self._output


class Agent:
    """An actor, which starts a process on its machine and passes on what is said from one side to the other."""

    def __init__(self, index: int, env: dict[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tsforge-"))
        self._said: SimpleQueue[Said] = SimpleQueue()
        self._process = Process(index, self._said, self._folder / "log", env)

    def address(self) -> tuple[str, str]:
        return cluster.package().util.get_node_ip_address(), socket.gethostname()

    def tell(self, order: dict[str, Any]) -> None:
        self._process.tell(**order)

    def hear(self) -> tuple[list[dict[str, Any]], int | None, list[str]]:
        """What it has said since, whether it has ended, and then its log."""
        code = self._process.poll()
        messages = []
        with contextlib.suppress(Empty):
            messages.append(self._said.get(timeout=WAIT)[1])
            while True:
                messages.append(self._said.get_nowait()[1])
        return messages, code, self._process.output()[-2:] if code is not None else []

    def write(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.write_bytes(content)
        return str(path)

    def take(self, file: str) -> bytes:
        content = Path(file).read_bytes()
        self.drop(file)
        return content

    def drop(self, file: str) -> None:
        with contextlib.suppress(OSError):
            Path(file).unlink()

    def close(self) -> None:
        self._process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _has_gpus(train: TrainConfig) -> bool:
    return bool(cluster.package().cluster_resources().get("GPU", 0) >= train.devices * train.nodes)


def _threads(train: TrainConfig) -> int:
    """Of each process: its share of train.threads, or of the cores of the smallest machine that takes part."""
    if train.threads != "auto":
        return max(1, train.threads // train.devices)
    ray = cluster.package()
    cores = sorted((node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]), reverse=True)
    return max(1, int(cores[: train.nodes][-1]) // train.devices)
