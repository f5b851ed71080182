"""Transforms: what is done to a window before its tokens, and undone in its forecast."""
