"""Equations, written as $...$ and $$...$$, become MathML, which browsers show without a script."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

MATH = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    """A page with its equations drawn."""
    return MATH.sub(_drawn, html)


def _drawn(match: re.Match[str]) -> str:
    if match[2] is not None:
        return convert(unescape(match[2]))
    return f'<div class="equation">{convert(unescape(match[3]), display="block")}</div>'
