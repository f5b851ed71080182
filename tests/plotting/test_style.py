"""Colours have names, in one place."""

from __future__ import annotations

import re

from tests.helpers import house


def test_colours_have_one_home() -> None:
    """Prevents: a second palette, whose colours differ by a shade."""
    colour = re.compile(r"""["']#[0-9a-fA-F]{6}\b""")
    homes = [house.relative(path) for path in house.files() if colour.search(path.read_text(encoding="utf-8"))]
    assert homes == ["plotting/style.py"]
