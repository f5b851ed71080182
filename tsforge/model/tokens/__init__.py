"""Tokens: from a context to sequences for a backbone, and back to steps and channels."""
