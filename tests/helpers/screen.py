"""A command on a terminal of 80 columns, forked from this process, and what stands on its screen in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
from typing import NamedTuple

from tsforge.cli.main import run

STYLE = re.compile(r"\x1b\[[\d;]*m")


class Shown(NamedTuple):
    """What a command wrote to its terminal, and how it ended."""

    code: int
    written: str

    @property
    def screen(self) -> list[str]:
        """The lines that stay, without styles: carriage returns, erased lines and breaks are followed."""
        lines, line, at = list[str](), "", 0
        for part in re.findall(r"\x1b\[K|\r|\n|[^\x1b\r\n]+", STYLE.sub("", self.written)):
            if part == "\x1b[K":
                line = line[:at]
            elif part == "\r":
                at = 0
            elif part == "\n":
                lines, line, at = [*lines, line.rstrip()], "", 0
            else:
                line, at = line[:at].ljust(at) + part + line[at + len(part) :], at + len(part)
        return [*lines, line.rstrip()]

    def styled(self, code: str) -> list[str]:
        """Texts in a style, by its numbers, as "1" for bold."""
        return re.findall(rf"\x1b\[{code}m(.*?)\x1b\[0m", self.written)


def on_terminal(argv: list[str], **environment: str) -> Shown:
    """Run a command as somebody sees it."""
    child, master = pty.fork()
    if child == 0:
        code = 99
        try:
            for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
                os.environ.pop(name, None)
            os.environ |= {"TERM": "xterm-256color", **environment}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
            import sys

            for name, place in (("stdout", 1), ("stderr", 2)):
                setattr(sys, name, os.fdopen(place, "w", encoding="utf-8", closefd=False))
            code = run(argv)
            sys.stdout.flush()
        finally:
            os._exit(code)
    written = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # its end is closed
            break
        if not part:
            break
        written += part
    os.close(master)
    return Shown(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), written.decode(errors="replace"))
