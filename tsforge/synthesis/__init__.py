"""Synthetic series of every kind that tables hold, from a seed."""

from tsforge.synthesis.drawing import Series, draw
from tsforge.synthesis.mixture import Mixture

__all__ = ["Mixture", "Series", "draw"]
