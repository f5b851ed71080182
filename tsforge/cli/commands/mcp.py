"""tsforge mcp"""

from __future__ import annotations

import os
from pathlib import Path


def mcp(folder: str | None = None, /) -> int:
    """Offer inspect, fit, predict, backtest, compare and runs as tools of a Model Context Protocol server, over stdio.

    A client starts it: {"command": "tsforge", "args": ["mcp", "/home/me/forecasts"]}. Tools read and write below the
    folder alone.

    Parameters
    ----------
    folder
        Where tables lie, and models and forecasts are written. (default: this folder)
    """
    from tsforge.data.table import piped
    from tsforge.errors import ConfigError

    root = Path(folder or ".")
    if not root.is_dir():
        raise ConfigError(f"{folder}: no such folder", "name the folder that holds the tables")
    try:
        from tsforge.cli.protocol import server
    except ImportError as problem:
        if (problem.name or "").partition(".")[0] not in ("mcp", "anyio"):
            raise
        hint = "pip install 'tsforge-toolkit[mcp]'"
        raise ConfigError("tsforge mcp needs the package mcp", hint) from None
    piped.take("what the client says")
    os.chdir(root)
    server.serve(Path())
    return 0
