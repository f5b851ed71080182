"""Small pictures in SVG, drawn here so that a report needs no script for them: lines by step, bars, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from tsforge.runtime.numbers import figure

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 34
COLOURS = ("var(--own)", "var(--rival)", "var(--seen)", "var(--third)")
DASHES = ("", "6 3", "2 3", "8 3 2 3")


def lines(
    title: str, values: Mapping[str, Sequence[float]], across: str, ends: tuple[str, str] | None = None
) -> str:  # fmt: skip
    """One line for each name over steps from 1. ends: what the first and the last step are called."""
    finite = [v for line in values.values() for v in line if math.isfinite(v)]
    if not finite:
        return ""
    high, steps = max(finite) * 1.05 or 1.0, max(map(len, values.values()))
    x = _Scale(1, max(2, steps), LEFT, WIDTH - RIGHT)
    y = _Scale(0, high, HEIGHT - BOTTOM, TOP)
    first, last = ends or ("1", str(steps))
    parts = [_axes(high, [(1, first), (steps, last)], x, y, across)]
    for colour, dash, line in zip(COLOURS, DASHES, values.values(), strict=False):
        points = " ".join(f"{x(k + 1):.1f},{y(v):.1f}" for k, v in enumerate(line) if math.isfinite(v))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
    keys = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for colour, name in zip(COLOURS, values, strict=False)
    )
    return _framed(title, parts) + f'<div class="keys">{keys}</div>'


def bars(title: str, heights: Sequence[float], ends: tuple[str, str], across: str) -> str:
    """A bar for each value, the first and the last one named."""
    high = max(heights, default=0) * 1.05 or 1.0
    x = _Scale(0, len(heights), LEFT, WIDTH - RIGHT)
    y = _Scale(0, high, HEIGHT - BOTTOM, TOP)
    wide = max(0.5, (x(1) - x(0)) * 0.9)
    parts = [_axes(high, [(0.5, ends[0]), (len(heights) - 0.5, ends[1])], x, y, across)]
    for k, v in enumerate(heights):
        size = f'width="{wide:.1f}" height="{max(0.0, y(0) - y(v)):.1f}"'
        parts.append(f'<rect x="{x(k):.1f}" y="{y(v):.1f}" {size} fill="var(--own)"/>')
    return _framed(title, parts)


def calibration(title: str, pairs: Sequence[tuple[float, float]]) -> str:
    """What intervals should cover, and covered: on the diagonal both are the same."""
    x, y = _Scale(0, 1, LEFT, WIDTH - RIGHT), _Scale(0, 1, HEIGHT - BOTTOM, TOP)
    parts = [_axes(1.0, [(0, "0"), (0.5, "0.5"), (1, "1")], x, y, "nominal share")]
    parts.append(f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="var(--edge)" stroke-dasharray="4 4"/>')
    points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in pairs)
    parts.append(f'<polyline points="{points}" fill="none" stroke="var(--own)" stroke-width="2"/>')
    parts += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="4" fill="var(--own)"/>' for a, b in pairs]
    return _framed(title, parts)


class _Scale:
    """A value as a place on the picture."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, value: float) -> float:
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)


def _axes(high: float, marks: Sequence[tuple[float, str]], x: _Scale, y: _Scale, across: str) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        value = share * high
        parts.append(
            f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{WIDTH - RIGHT}" y2="{y(value):.1f}" stroke="var(--line)"/>'
        )
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{escape(figure(value))}</text>')
    for at, label in marks:
        anchor = "middle" if len(label) < 8 else "start" if at == marks[0][0] else "end"
        parts.append(f'<text x="{x(at):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{escape(label)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{escape(across)}</text>')
    return "".join(parts)


def _framed(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )
