"""Attacks with chance: mutated tables and model directories, and processes killed at any moment. `make torture`."""
