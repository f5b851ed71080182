"""From a table to batches of windows: one pipeline for every model."""
