"""The training of `zero` on series from formulas: from nothing but a seed to a model directory."""
