"""Networks side by side: each says what it says alone, and learns what it learns alone."""

from __future__ import annotations
