"""tsforge clean"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tsforge.cli.options import Flag
from tsforge.cli.output import echo, print_json, print_notes, print_table
from tsforge.runtime.numbers import size

if TYPE_CHECKING:
    from tsforge.api.cleaning import Kind, Leftover

FLAGS = {
    "checkpoints": "goes with --all",
    "deleted": "goes with --all",
    "undelivered": "goes with --undelivered",
}


def clean(
    folder: str = ".", /, *, yes: Flag = False, all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    undelivered: Flag = False, tracking_uri: str | None = None, json: Flag = False,
) -> int:  # fmt: skip
    """Show what commands have left that can go, and how much it is; --yes removes it.

    That is tables as panels on disk, drafts of commands that were killed, and journals of runs that are delivered.
    Models, forecasts, recorded runs and whatever a running command uses stay.

    Parameters
    ----------
    folder
        The folder in which tsforge ran. (default: this one)
    yes
        Remove it.
    all_
        Also the states of fits that were stopped, and runs that were deleted in MLflow, for good.
    undelivered
        Also runs that MLflow has not got, of which nothing is left then.
    tracking_uri
        MLflow store. (default: MLFLOW_TRACKING_URI, else mlflow.db in the folder)
    json
        Print one JSON document.
    """
    from tsforge.api import cleaning

    print_notes(quiet=False)
    kinds: list[Kind] = [*cleaning.ALWAYS]
    kinds += ["checkpoints", "deleted"] if all_ else []
    kinds += ["undelivered"] if undelivered else []
    found = cleaning.leftovers(folder, tracking_uri)
    gone = cleaning.clean(folder, kinds, tracking_uri) if yes else []
    goes = gone if yes else [item for item in found if item.kind in kinds and not item.used]
    stays = [item for item in found if item not in goes]
    if json:
        print_json(
            {"removed": yes, "bytes": sum(item.size for item in goes), "goes": _plain(goes), "stays": _plain(stays)}
        )
        return 0
    _print(goes, "removed" if yes else "can go")
    _print(stays, "stays")
    if yes:
        echo(f"{_size(goes)} freed" if goes else "nothing was removed")
    elif goes:
        words = [word for word, given in (("--all", all_), ("--undelivered", undelivered)) if given]
        named = [folder] if folder != "." else []
        named += ["--tracking-uri", tracking_uri] if tracking_uri is not None else []
        echo(f"{_size(goes)} would be freed: {shlex.join(['tsforge', 'clean', *named, *words, '--yes'])}")
    else:
        echo("nothing can go" if found else "there is nothing to remove")
    return 0


def _print(items: Sequence[Leftover], what: str) -> None:
    """A line for each kind: how many, how much, what it is, and why it stays."""
    from tsforge.api.cleaning import TEXTS

    groups: dict[tuple[Kind, bool], list[Leftover]] = {}
    for item in items:
        groups.setdefault((item.kind, item.used), []).append(item)
    if not groups:
        return
    rows = []
    for (kind, used), group in groups.items():
        text = "in use" if used else TEXTS[kind]
        text += f"; {FLAGS[kind]}" if what == "stays" and kind in FLAGS and not used else ""
        rows.append([kind, f"{len(group):,}", _size(group), text])
    print_table([what, "", "", ""], rows, left=(0, 3))
    echo()


def _size(items: Sequence[Leftover]) -> str:
    total = sum(item.size for item in items)
    return size(total) if total else "0 B"


def _plain(items: Sequence[Leftover]) -> list[dict[str, Any]]:
    return [
        {"kind": item.kind, "path": str(item.path), "bytes": item.size, "used": item.used,
         "run": item.run.id if item.run else None}
        for item in items
    ]  # fmt: skip
