"""The version, and the name that pip knows the package by, readable without importing anything else."""

__version__ = "0.1.0"
DISTRIBUTION = "tsforge-toolkit"  # the public index has another package by the name of tsforge
