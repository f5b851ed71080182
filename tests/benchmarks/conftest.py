"""What benchmarks change of the process that they run in, undone."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Benchmarks silence warnings for good: tests that follow in this process look for theirs."""
    yield
    logging.disable(logging.NOTSET)
