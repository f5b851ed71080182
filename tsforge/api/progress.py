"""One progress line on a terminal or in a notebook, plain lines in a pipe."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tsforge.runtime import console
from tsforge.runtime.numbers import duration, figure

if TYPE_CHECKING:
    from tsforge.data.dataset import Dataset
    from tsforge.experiment import Experiment
    from tsforge.training.events import Event, Round, Tick


Listener = Callable[[float | None, float | None, str], None]  # steps done, of how many, and what is done
_LISTENERS: list[Listener] = []


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell a listener of trainings, in place of a line on stderr."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook, whose stderr is shown as it comes and is no terminal."""
    kernel = sys.modules.get("ipykernel.zmqshell")
    shell = sys.modules.get("IPython")
    return kernel is not None and shell is not None and isinstance(shell.get_ipython(), kernel.ZMQInteractiveShell)


def is_watched() -> bool:
    """Whether somebody looks at what is written to stderr: a terminal, or a notebook."""
    return sys.stderr.isatty() or is_notebook()


class Line:
    """On a terminal and in a notebook one line that is written over, in a pipe plain lines."""

    def __init__(self) -> None:
        self.live = is_watched()

    def write(self, text: str, *, plain: bool) -> None:
        """Show a text; in a pipe only where `plain`."""
        if self.live:
            console.show(text)
        elif plain:
            with contextlib.suppress(OSError, ValueError):  # nobody listening is no reason to stop
                print(text, file=sys.stderr, flush=True)
            console.clear()

    def hint(self, text: str) -> None:
        """Show a text on a terminal until anything else is written."""
        if self.live:
            console.hint(text)

    def close(self) -> None:
        """Leave the line as it stands and go on below it."""
        if self.live:
            console.keep()


class Progress:
    """Prints losses, windows per second and the time left, from what training reports; `steps` are each member's."""

    def __init__(self, steps: Sequence[int], max_time: float | None) -> None:
        self.steps, self.max_time = steps, max_time
        self._began = time.monotonic()
        self._last: Round | None = None
        self._line = Line()
        self.close = self._line.close

    def __call__(self, event: Event) -> None:
        from tsforge.training.events import Standing

        if isinstance(event, Standing):
            return
        validation = getattr(event, "validation", None)
        if self._last is not None and self._last.member != event.member:
            self._line.close()
            self._last = None
        if validation is not None:
            self._last = event  # type: ignore[assignment]
        self._line.write(self._text(event), plain=validation is not None)

    def _text(self, event: Round | Tick) -> str:
        pace = event.windows / event.seconds if event.seconds > 0 else 0.0
        steps, count = self.steps[event.member - 1], len(self.steps)
        left = (sum(self.steps[event.member - 1 :]) - event.step) * event.seconds / max(event.step, 1)
        if self.max_time is not None:
            left = min(left, max(0.0, self.max_time - (time.monotonic() - self._began)))
        losses = ""
        if self._last is not None:
            best = " *" if self._last.best else ""
            loss = f"  loss {self._last.train:.4f}" if self._last.step else ""
            losses = f"{loss}  validation {self._last.validation:.4f}{best}"
        of = f"member {event.member}/{count}  " if count > 1 else ""
        return f"{of}step {event.step}/{steps}{losses}  {pace:,.0f} windows/s  {duration(left)} left"


class AutoProgress:
    """Prints a line per candidate of a tournament, and how far the present training is."""

    def __init__(self) -> None:
        self._line = Line()
        self.close = self._line.close

    def __call__(self, event: Event) -> None:
        from tsforge.training.events import Standing

        if not isinstance(event, Standing):
            self._line.write(f"step {event.step}  {duration(event.seconds)}", plain=False)
            return
        rung = f"rung {event.rung}" if event.rung else "no training"
        if not event.rung and not event.note:  # which the table below says in a moment
            self._line.hint(f"{rung}  {event.name}")
            return
        if event.note:
            text = f"{rung:<11}  {event.name:<20}  left out: {event.note}"
        else:
            done = f"{event.steps:>5} steps {event.seconds:6.1f} s"
            text = f"{rung:<11}  {event.name:<20}  {done}  validation {figure(event.score, 'no score')}"
        self._line.write(text, plain=True)
        self._line.close()


class Told:
    """Tells a listener how far a training is; steps: each member's, None for a tournament, whose end nobody knows."""

    def __init__(self, listener: Listener, steps: Sequence[int] | None) -> None:
        self._listener, self._steps = listener, steps

    def __call__(self, event: Event) -> None:
        from tsforge.training.events import Standing

        if isinstance(event, Standing):
            score = f"validation {figure(event.score, 'no score')}"
            self._listener(None, None, f"{event.name}: {event.note or score}")
        elif self._steps is None:
            self._listener(None, None, f"step {event.step} of a candidate")
        else:
            done = sum(self._steps[: event.member - 1]) + event.step
            self._listener(done, sum(self._steps), f"step {event.step} of {self._steps[event.member - 1]}")

    def close(self) -> None:
        """Nothing is left open."""


def training_progress(experiment: Experiment, dataset: Dataset) -> AutoProgress | Progress | Told:
    """The progress line of a training that begins now: of one network, of members in turn, or of a tournament."""
    from tsforge.model.auto import Auto
    from tsforge.training.ensemble import planned

    auto = isinstance(experiment.model, Auto)
    if _LISTENERS:
        return Told(_LISTENERS[-1], None if auto else planned(experiment, dataset))
    return AutoProgress() if auto else Progress(planned(experiment, dataset), experiment.train.max_time)
