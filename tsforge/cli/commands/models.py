"""tsforge models"""

from __future__ import annotations

from tsforge.cli.options import Flag
from tsforge.cli.output import print_json
from tsforge.cli.tables.described import print_described


def models(*, json: Flag = False) -> int:
    """List the models that --model takes, and what each is.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    from tsforge.api import reference

    if json:
        print_json([model._asdict() for model in reference.models()])
    else:
        print_described(reference.models())
    return 0
