"""How results look in a notebook: a card in HTML, its texts escaped, its picture inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tsforge.runtime.numbers import amount, figure

ROWS, DIGITS = 10, 6  # of a frame
_STYLE = "border:1px solid #8884;border-radius:6px;padding:.6em .9em;max-width:60em;overflow-x:auto"


def card(title: str, scores: Mapping[str, Mapping[str, float]], notes: Sequence[str], picture: bytes) -> str:
    """A title, scores by model, notes and a picture."""
    table = _table(scores) if scores else ""
    lines = [f"<div>{escape(note)}</div>" for note in notes]
    return _framed(title, table, *lines, _image(title, picture))


def frame(title: str, frame: Any, picture: bytes) -> str:
    """A title, a picture, and the first rows of a pandas frame."""
    more = len(frame) - ROWS
    rest = f"<div>... {more:,} more rows in .frame</div>" if more > 0 else ""
    table = frame.head(ROWS).to_html(index=False, border=0, float_format=lambda value: amount(value, DIGITS))
    return _framed(title, _image(title, picture), table, rest)


def _framed(title: str, *parts: str) -> str:
    return f'<div style="{_STYLE}"><strong>{escape(title)}</strong>{"".join(parts)}</div>'


def _image(title: str, picture: bytes) -> str:
    data = base64.b64encode(picture).decode()
    return f'<img alt="{escape(title)}" style="display:block;max-width:100%" src="data:image/png;base64,{data}">'


def _table(scores: Mapping[str, Mapping[str, float]]) -> str:
    first = next(iter(scores.values()))
    head = "".join(f"<th>{escape(name)}</th>" for name in scores)
    rows = []
    for metric in first:
        cells = "".join(f'<td style="text-align:right">{figure(values[metric])}</td>' for values in scores.values())
        rows.append(f"<tr><th>{escape(metric)}</th>{cells}</tr>")
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
