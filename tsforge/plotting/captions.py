"""What stands above a picture: the model, its table, and how well it forecasts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tsforge.runtime.numbers import amount

LONGEST = 60  # characters of a name
ERRORS = ("mase", "mae")  # the one that is shown: the first that there is


@dataclass(frozen=True)
class About:
    """What a picture is of.

    model: its kind. scores: metrics of windows that were held out, those that are known.
    """

    model: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)

    def title(self, table: str, what: str = "") -> str:
        """As "gru on sales.csv: MASE 0.81, 80 % interval covers 78 %".

        table: its name or path. what: is shown of it, in front of the scores.
        """
        name = shortened("a data frame" if table == "the data frame" else Path(table).name or table)
        subject = " on ".join(filter(None, (self.model, name)))
        facts = [what] if what else []
        error = next((n for n in ERRORS if math.isfinite(self.scores.get(n, math.nan))), None)
        if error is not None:
            facts.append(f"{error.upper()} {amount(self.scores[error], 3)}")
        covered = self.scores.get("coverage_80", math.nan)
        if math.isfinite(covered):
            facts.append(f"80 % interval covers {100 * covered:.0f} %")
        return f"{subject}: {', '.join(facts)}" if facts else subject


def shortened(name: str, longest: int = LONGEST) -> str:
    """A name that fits: what is too long loses its middle."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"
