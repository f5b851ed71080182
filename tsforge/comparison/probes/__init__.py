"""What an architecture costs, and how far back it remembers."""
