"""tsforge metrics"""

from __future__ import annotations

from tsforge.cli.options import Flag
from tsforge.cli.output import echo, print_json
from tsforge.cli.tables.described import print_described


def metrics(*, json: Flag = False) -> int:
    """List the metrics that --metrics takes, and what each measures.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    from tsforge.api import reference

    if json:
        print_json([metric._asdict() for metric in reference.metrics()])
        return 0
    print_described(reference.metrics())
    echo()
    echo("numbers may be others: coverage_95, width_50, winkler_99, pinball_0.25")
    return 0
