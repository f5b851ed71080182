"""Other forecasting libraries on the same work, each in an environment of its own: `python -m benchmarks.peers`."""
