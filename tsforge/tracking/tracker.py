"""Begins runs and has them delivered by a courier, which starts long before the first of them is written."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tsforge.runtime import processes, stopping
from tsforge.runtime.timing import stage
from tsforge.tracking import journal, store, view
from tsforge.tracking.delivery import Delivered, Delivery
from tsforge.tracking.journal import Earlier, Run

log = logging.getLogger("tsforge")

AWAY = 12.0  # seconds that the end of a command waits for a server that fails
BUSY = 120.0  # for one that does not, however slow, and for a local database, which others may be making
PROMPT = 2.0  # where nobody asked for what the store alone knows: delivery goes on behind the command
SHARE = 0.1  # of the time that it was entered, which it then waits at most: a command of 3 s for no more than 0.3


class Tracker:
    """Where the runs of this process are recorded.

    with Tracker() as tracker:
        with tracker.run("lstm-demand-h48", params, tags) as run:
            run.metrics({"val/loss": 0.3}, step=100)

    uri, experiment: None for MLFLOW_TRACKING_URI (or mlflow.db in this folder) and the experiment "tsforge".
    on: False for one that touches nothing, which spares its users the question.
    limit: seconds that the end waits for the delivery at most; it goes on without this process after them.
    """

    def __init__(
        self, uri: str | None = None, experiment: str | None = None, *, on: bool = True, limit: float = BUSY
    ) -> None:
        self.uri = store.address(uri)
        self.experiment = experiment or store.EXPERIMENT
        self.on = on
        self.limit = limit
        self.delivered: dict[Path, Delivered] = {}
        self._entered = time.monotonic()
        self._courier: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None

    @stage("delivery")
    def __enter__(self) -> Tracker:
        if self.on:
            # Outlives a Ctrl-C and, if need be, this process.
            self._courier = processes.start("tsforge.tracking.courier", out=subprocess.PIPE)
            self._listener = threading.Thread(target=self._listen, args=(self._courier,), daemon=True)
            self._listener.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextlib.contextmanager
    def run(
        self, name: str, params: dict[str, object], tags: dict[str, str], parent: Run | None = None,
        earlier: Earlier | None = None,
    ) -> Iterator[Run]:  # fmt: skip
        """A run that ends as what happens inside: FINISHED, FAILED with the reason, KILLED by Ctrl-C or SIGTERM.

        parent: the run that it is shown under. earlier: the journal of a process that was stopped, whose run goes on.
        """
        above = {"name": parent.name, "journal": parent.key} if parent is not None and parent.folder else None
        run = self._begin(name, params, {"tags": tags, "parent": above}, earlier)
        try:
            yield run
        except KeyboardInterrupt:
            run.end("KILLED", f"stopped by {stopping.cause()}")
            raise
        except BaseException as problem:
            run.end("FAILED", f"{type(problem).__name__}: {problem}")
            raise
        finally:
            run.end("FINISHED")

    @stage("delivery")
    def close(self, limit: float = math.inf) -> None:
        """Wait until everything is delivered, as long as that makes sense, and warn of what is not.

        limit: seconds at most, where that is less than the tracker's own limit.
        """
        limit = min(limit, self.limit)
        if self.limit <= PROMPT:
            limit = min(limit, SHARE * (time.monotonic() - self._entered))
        courier, self._courier = self._courier, None
        if courier is None or courier.stdin is None or self._listener is None:
            return
        if not self.delivered:  # nothing was begun
            courier.kill()
        with contextlib.suppress(BrokenPipeError):
            courier.stdin.close()
        self._wait(self._listener, limit)
        for folder, state in self.delivered.items():
            for problem in state.refused:
                log.warning("MLflow refused part of run %s: %s", folder.name, problem)
            if not state.done and (state.problem or self.limit > PROMPT):
                why = f": {state.problem}" if state.problem else ""
                log.warning(
                    "run %s is not at %s yet%s; it is kept, and `tsforge runs sync` delivers it",
                    folder.name, store.shown(self.uri), why,
                )  # fmt: skip

    def _wait(self, listener: threading.Thread, limit: float) -> None:
        start, local = time.monotonic(), store.database(self.uri) is not None
        while listener.is_alive():
            failing = not local and any(state.problem for state in self.delivered.values())
            if time.monotonic() > start + min(limit, AWAY if failing else BUSY):
                return
            listener.join(0.2)

    def state(self, run: Run) -> Delivered:
        """How far a run has come."""
        return self.delivered.get(run.folder, Delivered()) if run.folder else Delivered()

    def id(self, run: Run) -> str | None:
        """MLflow's id of a run, once it is there."""
        return self.state(run).run

    def page(self, run: Run) -> str | None:
        """The page of a run, where somebody serves it now."""
        link, number = self.link(run), self.id(run)
        served = link is not None and number is not None and view.is_served(view.base(self.uri), number)
        return link if served else None

    def link(self, run: Run) -> str | None:
        """The page of a run, once it is there."""
        state = self.state(run)
        if state.run is None or state.experiment is None:
            return None
        return view.run_link(view.base(self.uri), state.experiment, state.run)

    def version(self, run: Run) -> str | None:
        """NAME/VERSION in the registry, where the run's model was registered."""
        return self.state(run).version

    def _begin(self, name: str, params: dict[str, object], start: dict[str, object], earlier: Earlier | None) -> Run:
        """Write the first lines; a disk that cannot be written to is no reason to stop."""
        if self._courier is None or self._courier.stdin is None:
            return Run(None)
        where = {"uri": self.uri, "experiment": self.experiment}
        if earlier is not None:
            start = start | {"after": earlier.folder}
            if journal.close(Path(earlier.folder), journal.DIED):  # else it is delivered already
                self._hand_over(Path(earlier.folder))
        try:
            run = journal.begin(journal.ROOT.absolute(), name, where | start, earlier)
            run.params(params)
        except OSError as problem:
            log.warning("the run is not recorded: %s cannot be written: %s", journal.ROOT, problem.strerror)
            return Run(None)
        assert run.folder is not None
        self._hand_over(run.folder)
        return run

    def _hand_over(self, folder: Path) -> None:
        """Give a journal to the courier."""
        assert self._courier is not None
        assert self._courier.stdin is not None
        self.delivered[folder] = Delivered()
        with contextlib.suppress(BrokenPipeError):
            self._courier.stdin.write(f"{folder}\n")
            self._courier.stdin.flush()

    def _listen(self, courier: subprocess.Popen[str]) -> None:
        assert courier.stdout is not None
        for line in courier.stdout:
            state = json.loads(line)
            folder = Path(state.pop("folder"))
            self.delivered[folder] = Delivered.read(state)


def sync(root: Path) -> dict[str, Delivered]:
    """Deliver what waits under `root`; by run name, how far each came. Runs that are still written are left alone."""
    store.prepare()
    delivery, progress = Delivery(), {}
    for folder in journal.waiting(root):
        if journal.close(folder, journal.DIED):
            progress[folder.name] = delivery.deliver(folder)
    return progress
