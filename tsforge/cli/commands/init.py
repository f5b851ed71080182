"""tsforge init"""

from __future__ import annotations

from pathlib import Path

from tsforge.cli.options import Flag, TableOptions
from tsforge.cli.output import STANDARD, check_targets, print_text, status


def init(
    data: str, /, *, model: str = "auto", output: str | None = None, overwrite: Flag = False,
    options: TableOptions | None = None,
) -> int:  # fmt: skip
    """Write a table's experiment as TOML, with what was detected and every other setting as a comment.

    tsforge init data.csv --output experiment.toml, and then tsforge fit --config experiment.toml.

    Parameters
    ----------
    data
        CSV, Parquet (a file, or a folder of files), the name of a catalogued data set, or - for standard input.
    model
        Kind of the model, whose settings stand in it.
    output
        File for it, .toml. (default: it is printed)
    overwrite
        Replace a file that is there already.
    """
    from tsforge.api import outlines
    from tsforge.errors import ConfigError
    from tsforge.runtime import files

    if options is not None and options.config is not None:
        raise ConfigError("init writes a TOML file and reads none", "leave out --config; --set takes single settings")
    output = None if output == STANDARD else output
    check_targets(output, (".toml",), None, [data])
    if output is not None and Path(output).exists() and not overwrite:
        raise ConfigError(f"{output}: is there already, and may hold your changes", "`overwrite` replaces it")
    text = outlines.outline(data, (options or TableOptions()).overrides(), model)
    if output is None:
        print_text(text)
    else:
        files.write(Path(output), text)
        status(f"next    tsforge fit --config {output}")
    return 0
