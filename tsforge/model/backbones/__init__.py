"""Backbones: (past, future) tokens to one vector per future token; they know neither time nor channels."""
