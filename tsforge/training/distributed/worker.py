"""A process that trains with others: `python -m tsforge.training.distributed.worker`.

It is told what to do by lines of JSON on its standard input, and answers by lines on its standard output:

    {"join": {...}}       a `Place`                       {"port": 41234}         from the first: where it listens
    {"folder": "path"}    removed where nobody is there
    {"train": "file"}     a `job.Job`                     {"event": [...]}        from the first: a Tick or a Round
    {"stop": true}        as Ctrl-C                       {"note": "text"}        from the first: a warning
                                                          {"state": "file"}       from the first: a `monitor.State`
                                                          {"done": "file"}        a `job.Result`; null but for the first

Where whoever started it is gone, it ends at once, whatever it waits for. Its errors stand in its log.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from tsforge.errors import TrainingError, TsforgeError

LOST = 75  # exit code where others are gone: they know better why


class Inbox:
    """What it is told, from a thread that reads: a request to stop takes effect in the middle of a training.

    folder: of files exchanged, which is removed where whoever made it is gone.
    """

    def __init__(self, lines: IO[str]) -> None:
        self.orders: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.folder: Path | None = None
        self._asked = False
        self._then: Callable[[], None] = lambda: None
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def stopping(self, then: Callable[[], None]) -> None:
        """Call it where a request to stop comes, or has come."""
        self._then = then
        if self._asked:
            then()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            order = json.loads(line)
            if "folder" in order:
                self.folder = Path(order["folder"])
            elif "stop" in order:
                self._asked = True
                self._then()
            else:
                self.orders.put(order)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(0)  # nobody is there to train for, and the others may keep us waiting


class _Notes(logging.Handler):
    """The library's warnings, for whoever started this."""

    def __init__(self, say: Callable[..., None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(note=record.getMessage())


def main() -> int:
    """Join the others and train what is asked for, until there is nothing more."""
    voice = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to the log
    inbox = Inbox(sys.stdin)

    def say(**message: Any) -> None:
        voice.write(json.dumps(message) + "\n")
        voice.flush()

    from tsforge.training.distributed import ranks

    try:
        _work(inbox, say)
    except TsforgeError as problem:
        print(f"error: {problem.message}\nhint: {problem.hint}", file=sys.stderr, flush=True)
        code = LOST if isinstance(problem, ranks.LostError) else 2
        os._exit(code)  # at once: torch's threads may wait for the others
    return 0


def _work(inbox: Inbox, say: Callable[..., None]) -> None:
    import tsforge.training.learner  # noqa: F401  (takes seconds, while the one who asks still reads its table)
    from tsforge.runtime import plugins
    from tsforge.training.distributed import ranks, shipping

    plugins.ready()

    order = inbox.orders.get()
    place, device = ranks.Place(**order["join"]), order["device"]
    logger = logging.getLogger("tsforge")
    logger.handlers, logger.propagate = [_Notes(say) if place.rank == 0 else logging.NullHandler()], False
    datasets: dict[str, Any] = {}
    with ranks.joined(place, device, lambda port: say(port=port)):
        while True:
            path = Path(inbox.orders.get()["train"])
            job = shipping.read(path)
            if job.dataset not in datasets:
                dataset = shipping.read(path.with_name(job.dataset))
                datasets = {job.dataset: replace(dataset, source=dataset.source.on(device))}
            result = _train(job, datasets[job.dataset], inbox, path, say if place.rank == 0 else None)
            done = str(shipping.write(Path(f"{path}.result"), result)) if place.rank == 0 else None
            say(done=done)


class _Kept:
    """The checkpoint of a training, which whoever started this keeps: other machines need not see its folder.

    job: has the state to go on from, and how often one is wanted. file: name of those that states are written to, on
    their way. say: None but in the first.
    """

    def __init__(self, job: Any, file: Path, say: Callable[..., None] | None) -> None:
        self._state, self._every, self._file, self._say = job.state, job.every, file, say
        self._count, self._next = 0, time.perf_counter() + job.every

    def read(self) -> Any:
        return self._state

    def write(self, state: Any) -> None:
        from tsforge.training.distributed import shipping

        if self._say is not None and time.perf_counter() >= self._next:
            self._count += 1
            self._next = time.perf_counter() + self._every
            self._say(state=str(shipping.write(self._file.with_name(f"{self._file.name}.{self._count}"), state)))


def _train(job: Any, dataset: Any, inbox: Inbox, path: Path, say: Callable[..., None] | None) -> Any:
    """Train with the others; how it ended, with the weights that are kept."""
    from tsforge.training import single
    from tsforge.training.distributed.job import Result

    report = None if say is None else lambda event: say(event=[type(event).__name__, *event])
    checkpoint: Any = _Kept(job, path, say) if job.every is not None else None
    loop = single.begin(job.experiment, dataset, report, checkpoint)
    inbox.stopping(loop.monitor.interrupt)
    loop.run()
    try:
        trained = loop.finish()
    except TrainingError as problem:
        return Result(loop.monitor.stop, problem=(problem.message, problem.hint))
    except KeyboardInterrupt:
        return Result(loop.monitor.stop, problem=())
    weights = trained.network.state_dict()
    return Result(trained.stop, None, weights, trained.rounds, trained.started, trained.seconds, trained.threads)


if __name__ == "__main__":
    sys.exit(main())
