"""Synthetic series of the kinds that tables hold, from a seed."""

from tsforge.synthesis.drawing import Series, draw
from tsforge.synthesis.mixture import Mixture
from tsforge.synthesis.tables import make

__all__ = ["Mixture", "Series", "draw", "make"]
