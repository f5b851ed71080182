"""One network trained by several processes, on one machine or several."""
