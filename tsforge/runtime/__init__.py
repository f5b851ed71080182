"""Files, processes, threads, random numbers, text tables and timing: what knows nothing of forecasting."""
