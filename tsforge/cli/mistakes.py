"""What is wrong with a command line, in words for who typed it."""

from __future__ import annotations

import shlex

from cyclopts import CoercionError, CycloptsError, MissingArgumentError, UnusedCliTokensError

KINDS = {int: "a whole number", float: "a number"}


def explained(problem: CycloptsError, command: str) -> tuple[str, str]:
    """Message and hint for a command line that could not be read."""
    see = f"see tsforge {command} --help"
    if isinstance(problem, UnusedCliTokensError) and problem.unused_tokens:
        words = shlex.join(problem.unused_tokens)
        return f"{command}: nothing is expected where {words} stands", f"put a name with blanks in quotes; {see}"
    if isinstance(problem, MissingArgumentError) and problem.argument is not None and not problem.tokens_so_far:
        name = problem.keyword or problem.argument.name
        return f"{name} needs a value" if name.startswith("-") else f"{command} needs {name}", see
    if isinstance(problem, CoercionError) and problem.token is not None and problem.target_type in KINDS:
        name = problem.token.keyword or (problem.argument.name if problem.argument is not None else "")
        return f"{name} takes {KINDS[problem.target_type]}, not '{problem.token.value}'", see
    return str(problem), see
