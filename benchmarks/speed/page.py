"""Printed tables into a page, between two marks: `<!-- speed -->` and `<!-- /speed -->`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def paste(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between the marks of a name. Raises ValueError for a page without them."""
    text = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"{page} has no place for the tables: {begin} and then {end}, each once")
    before, rest = text.split(begin)
    page.write_text(f"{before}{begin}\n" + "\n".join(lines).strip() + f"\n{end}{rest.split(end)[1]}", encoding="utf-8")
