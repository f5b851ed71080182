"""A model brought up to date with new rows, if that makes it no worse."""
