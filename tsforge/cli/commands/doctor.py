"""tsforge doctor"""

from __future__ import annotations

import time
from typing import Any

from tsforge.cli.options import Flag
from tsforge.cli.output import echo, print_error, print_json, print_notes, print_table


def doctor(*, json: Flag = False) -> int:
    """Say what is installed, what the machine is, and whether a small fit works.

    The exit code is 2 where it does not.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    from tsforge.tracking import provenance, store

    print_notes(quiet=True)
    facts: dict[str, Any] = {"versions": provenance.versions(), "machine": provenance.hardware()}
    facts["optional"] = provenance.optional()
    facts["tracking"] = store.shown(store.address(None))
    seconds, problem = _tried()
    facts |= {"self_test": {"seconds": round(seconds, 2), "problem": problem}}
    if json:
        print_json(facts)
        return 2 if problem else 0
    for name, value in (facts["versions"] | facts["machine"]).items():
        echo(f"{name:<19}{value}")
    echo()
    rows = [
        [name, "here" if not missing else f"missing: {', '.join(missing)}"]
        for name, missing in facts["optional"].items()
    ]
    print_table(["optional part", ""], rows, (0, 1))
    echo()
    echo(f"runs are recorded in {facts['tracking']}")
    if problem:
        print_error(f"a small fit failed: {problem}", "pip install --force-reinstall tsforge, with its constraints.txt")
        return 2
    echo(f"a small network was fitted and forecast in {seconds:.1f} s")
    return 0


def _tried() -> tuple[float, str | None]:
    """Seconds that a small fit and a forecast took, and what went wrong."""
    from tsforge.api.selftest import run

    start = time.perf_counter()
    try:
        run()
    except Exception as problem:  # whatever is wrong with an installation is to be told
        return time.perf_counter() - start, f"{type(problem).__name__}: {problem}"
    return time.perf_counter() - start, None
