"""tsforge completion"""

from __future__ import annotations

from typing import Literal

from tsforge.cli.output import print_text


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print a script by which a shell completes commands, options and files.

    It goes where the shell looks for one, as below; for zsh that is a folder in fpath.

    Parameters
    ----------
    shell
        Which one.
    """
    from cyclopts import App

    from tsforge.cli.main import COMMANDS, application

    root = App(name="tsforge", help_format="plaintext")
    for name, text in COMMANDS.items():
        command = application(name)
        command.help = text
        root.command(command, name=name)
    print_text(root.generate_completion(shell=shell))
    return 0
