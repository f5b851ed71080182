"""Time stamps and grids in plain numpy: calendars, frequencies, formats."""
