"""Colours have names, in one place."""

from __future__ import annotations

import itertools
import re

import numpy as np
from numpy.typing import NDArray

from tests.helpers import house
from tsforge.plotting import style


def test_colours_have_one_home() -> None:
    """Prevents: a second palette, whose colours differ by a shade."""
    colour = re.compile(r"""["']#[0-9a-fA-F]{6}\b""")
    homes = [house.relative(path) for path in house.files() if colour.search(path.read_text(encoding="utf-8"))]
    assert homes == ["plotting/style.py"]


def test_colours_are_told_apart_without_red_green_or_blue() -> None:
    """Prevents: models that are one line for one reader in twelve.

    Seen with a missing cone by the matrices of Machado, Oliveira & Fernandes 2009 ("A Physiologically-based Model for
    Simulation of Color Vision Deficiency", severity 1); differences are CIE 1976, of which some 2 are just seen.
    """
    lacking = {
        "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
        "none": np.eye(3).tolist(),
    }
    groups = {"pairs": [style.BLUE, style.ORANGE, style.GREY], "anomalies": [style.BLUE, style.RED, style.PURPLE],
              "lines": list(style.LINES[:7]), "architectures": list(style.COLOURS.values())}  # fmt: skip
    for missing, matrix in lacking.items():
        for group, colours in groups.items():
            seen = [lab(np.array(matrix) @ linear(colour)) for colour in colours]
            apart = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
            assert apart > 10, (missing, group, apart)


def linear(colour: str) -> NDArray[np.float64]:
    """A colour of sRGB in linear light."""
    values = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear sRGB as CIELAB under D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ light.clip(0, 1)
    f = np.where((t := xyz / [0.9505, 1.0, 1.089]) > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
