"""From a file to windows: one pipeline for every model."""
