"""What a fit was asked for on the command line, kept with its checkpoint, so that `--resume` needs no other option."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsforge.cli.hints import flag
from tsforge.cli.options import FitOptions, LaunchOptions, TrackOptions
from tsforge.cli.output import command_line

if TYPE_CHECKING:
    from tsforge.experiment import Experiment, TrainConfig
    from tsforge.training.checkpointer import Checkpointer


@dataclass(frozen=True)
class Asked:
    """The options of a fit; data: the table as it was named; command: the line itself, empty for the present one."""

    data: str | None
    options: FitOptions
    record: TrackOptions
    register: str | None = None
    alias: str | None = None
    line: str = ""
    launch: LaunchOptions = field(default_factory=LaunchOptions)

    @property
    def command(self) -> str:
        """The command line that began the fit."""
        return self.line or command_line()

    def check(self) -> None:
        """Raises ConfigError for options of the record that need others."""
        from tsforge.errors import ConfigError

        if self.alias is not None and self.register is None:
            raise ConfigError("--alias without a name to give it to", "add --register NAME")
        if self.register is not None and not self.record.track:
            raise ConfigError("--register needs the run that --no-track leaves out", "leave out one of them")

    def experiment(self) -> Experiment:
        """What is asked for; under torchrun for the devices that it has.

        Raises ConfigError where the table is missing, as another option has taken it.
        """
        from tsforge.settings import build
        from tsforge.training.distributed import torchrun

        settings = self.options.overrides() | self.launch.overrides()
        draft = build(settings, self.options.config)
        if there := torchrun.settings(draft.train):
            draft = build(settings | there, self.options.config)
        if self.data is None and draft.data.path is None:
            self.options.refuse_swallowed_table("fit")
        return draft

    def plain(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        return {
            "command": self.command, "data": self.data, "options": vars(self.options), "track": vars(self.record),
            "launch": vars(self.launch), "register": self.register, "alias": self.alias,
        }  # fmt: skip

    @classmethod
    def read(cls, record: dict[str, Any]) -> Asked:
        """From a checkpoint; of a fit that Python began, no record is kept."""
        if "command" not in record:
            return cls(None, FitOptions(), TrackOptions(track=False))
        from tsforge.tracking import store

        options, track = FitOptions(**record["options"]), TrackOptions(**record["track"])
        address = record.get("uri")
        if address not in (None, store.address(track.tracking_uri)):  # of another folder, or another environment
            track = replace(track, tracking_uri=address)
        return cls(
            record.get("data"),
            options,
            track,
            record.get("register"),
            record.get("alias"),
            record["command"],
            LaunchOptions(**record["launch"]),
        )


def resume_command(folder: Path, train: TrainConfig | None = None) -> str:
    """The command that goes on with the fit of a model. train: how it trains, where machines start their parts."""
    words = shlex.join(["tsforge", "fit", "--resume", str(folder)])
    if train is None or train.nodes == 1 or train.engine == "ray":
        return words
    from tsforge.training.distributed import torchrun

    return torchrun.command(train, words)


def take_up(folder: str, now: Asked, others: dict[str, object]) -> tuple[Checkpointer, Asked]:
    """The checkpoint of a fit that goes on, and what it was asked for.

    now: the options beside --resume; others: the same, of the command alone.
    Raises ConfigError naming options that go on with nothing; else as `checkpointer.take_up`.
    """
    from tsforge.errors import ConfigError
    from tsforge.training import checkpointer

    given = [name for name, value in others.items() if value]
    usually = ((now.options, FitOptions()), (now.record, TrackOptions()), (now.launch, LaunchOptions()))
    for options, usual in usually:
        given += [name for name, value in vars(options).items() if value != getattr(usual, name)]
    given += [name for name in ("register", "alias") if getattr(now, name) is not None]
    if given:
        flags = ", ".join("--no-track" if name == "track" else flag(name) for name in given)
        raise ConfigError(
            f"--resume goes on with a fit as it began, it takes no {flags}",
            f"leave out what stands beside {resume_command(Path(folder))}, or fit anew without --resume",
        )
    keeper = checkpointer.take_up(Path(folder))
    return keeper, Asked.read(keeper.record)
