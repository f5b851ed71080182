"""How fast tsforge is, as ratios that any machine can print: `python -m benchmarks.speed`."""
