"""A team's server as its clients see it, and what to do where it cannot be started."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

import pytest

from tests.helpers.server import Postgres, Server, environment


def unavailable(reason: str) -> None:
    """Skips the test, or fails it where all services must be there."""
    if os.environ.get("TSFORGE_REQUIRE_SERVICES"):
        pytest.fail(f"{reason}, and TSFORGE_REQUIRE_SERVICES is set", pytrace=False)
    pytest.skip(reason)


def has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@dataclass(frozen=True)
class Team:
    """The server of mlflow/compose.yaml without its containers, and who may use it."""

    server: Server
    postgres: Postgres
    password: str  # of the user "admin"

    def settings(self, user: str = "admin", password: str | None = None) -> dict[str, str]:
        """What a client needs in its environment."""
        return {
            "MLFLOW_TRACKING_URI": self.server.url,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": password or self.password,
        }

    def client(self, user: str = "admin", password: str | None = None) -> dict[str, str]:
        """The environment of a subprocess that is a client."""
        return environment(MLFLOW_DISABLE_TELEMETRY="true", **self.settings(user, password))
