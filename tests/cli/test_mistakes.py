"""A command line that cannot be read is answered with what is wrong with it."""

from __future__ import annotations

import pytest

from tests.helpers.commands import Capsys, fails


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["inspect", "my", "table.csv"], ["table.csv", "in quotes"]),
        (["predict"], ["needs MODEL"]),
        (["fit", "x.csv", "--horizon"], ["--horizon needs a value"]),
        (["fit", "x.csv", "--horizon", "12h"], ["--horizon takes a whole number, not '12h'"]),
        (["fit", "x.csv", "--horizn", "12"], ["--horizn", "--horizon"]),
    ],
)
def test_what_is_wrong_is_named(argv: list[str], said: list[str], capsys: Capsys) -> None:
    """Prevents: words of the library that reads command lines, which name no word of the user's."""
    text = fails(capsys, *argv)
    for part in said:
        assert part in text
    assert f"see tsforge {argv[0]} --help" in text
