"""tsforge pretrain"""

from __future__ import annotations

from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from tsforge.cli.options import Flag
from tsforge.cli.output import command_line, echo, print_json, print_notes, status
from tsforge.runtime import garbage, stopping
from tsforge.runtime.numbers import duration

if TYPE_CHECKING:
    from tsforge.training.pretraining.config import Pretraining
    from tsforge.training.pretraining.loop import Pretrained


def pretrain(
    config: str | None = None, /, *, out: str = "models/zero", hours: float | None = None, steps: int | None = None,
    seed: int | None = None, device: Literal["auto", "cpu", "cuda"] | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Train the network of `zero` on series from formulas, from a seed to a model directory.

    Stopped, or killed, it goes on from its last checkpoint when the same command runs again.

    Parameters
    ----------
    config
        A TOML file with [model], [mixture] and [train], or the pipeline zero. (default: its defaults)
    out
        Folder for the model.
    hours
        Time for training, of all runs together, as 3 or 0.5.
    steps
        Optimiser steps, in place of hours: the same weights again from the same seed.
    seed
        Seed of the weights and of the series. (default: 1)
    device
        Where to train. (default: auto)
    set_
        Any setting, as train.lr=0.001 or mixture.ets=1; may be repeated.
    quiet
        Print neither notes nor progress.
    json
        Print one JSON document instead of lines.
    """
    print_notes(quiet=quiet)
    with garbage.paused():
        from tsforge.cli.progress import PretrainProgress
        from tsforge.data.loader import pick_device
        from tsforge.fitted import directory
        from tsforge.settings import assignment
        from tsforge.training.pretraining import config as settings
        from tsforge.training.pretraining import loop, saving

    flags = {"seed": seed, "train.device": device}
    given = {path: value for path, value in flags.items() if value is not None}
    asked = settings.build(given | dict(assignment(text) for text in set_ or []), config)
    budget, folder = settings.budget(hours, steps), Path(out)
    directory.check_target(folder)
    kept = folder.with_name(folder.name + ".checkpoint.safetensors")
    where = pick_device(asked.train.device)
    with nullcontext() if quiet else closing(PretrainProgress(budget.steps)) as progress:
        result = loop.pretrain(asked, budget, where, progress, kept)
    if result.stop == "interrupt":
        status(f"stopped by {stopping.cause()} after {result.steps:,} steps; the same command goes on from {kept}")
        return stopping.exit_code()
    saving.save(result, asked, folder, _made())
    kept.unlink(missing_ok=True)
    if json:
        print_json({"model": str(folder)} | saving.described(result, asked))
    else:
        _print(result, asked, folder)
    return 0


def _made() -> dict[str, Any]:
    """What a card says of where weights were made."""
    from tsforge.tracking import provenance

    return {
        "commit": provenance.commit(Path(__file__).parent), "command": command_line(),
        "versions": provenance.versions(), "hardware": provenance.hardware(),
    }  # fmt: skip


def _print(result: Pretrained, config: Pretraining, folder: Path) -> None:
    from tsforge.model.network import parameters

    model = config.model
    echo(
        f"{model.mixer}, {parameters(result.network):,} parameters: {result.steps:,} steps, "
        f"{result.sequences:,} sequences in {duration(result.seconds)}, loss {result.loss:.4f}"
    )
    echo(f"model   {folder}")
