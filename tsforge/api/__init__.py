"""What Python users hold: fits with everything one does with them, in the kinds of frames that they came with."""
