"""Rows of a table that a model did not expect, one step ahead."""
