"""The processes that run a sweep's trials: on this machine, on its GPUs, on a Ray cluster."""
