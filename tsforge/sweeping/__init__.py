"""Sweeps: a search over the settings of experiments, by Optuna, in worker processes, resumable."""
