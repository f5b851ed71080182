"""Files, processes, threads, random numbers and text tables: what knows nothing of forecasting."""
