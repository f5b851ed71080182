"""One PostgreSQL, one team server and a browser, started when the first test asks for them."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.compose import FOLDER, SERVICE, filled, mounted
from tests.helpers.server import Postgres, Server, postgres_folder
from tests.helpers.team import Team, has_user, unavailable

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=2400,900",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        unavailable("Chromium or ChromeDriver is not on the PATH (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(program)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if postgres_folder() is None:
        unavailable("PostgreSQL's initdb is neither on the PATH nor under /usr/lib/postgresql (Debian: postgresql)")
    if os.geteuid() == 0 and not has_user("postgres"):
        unavailable("PostgreSQL does not run as root, and there is no user postgres to run it as")
    cluster = Postgres(secrets.token_hex(24))
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def team(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Options and settings are those of mlflow/compose.yaml; only paths and addresses of containers are replaced."""
    folder = tmp_path_factory.mktemp("team")
    names = ("POSTGRES_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY")
    values = {name: secrets.token_hex(24) for name in names}
    paths = {inside: str((FOLDER if place[:2] == "./" else folder) / place) for inside, place in mounted().items()}

    def here(text: str) -> str:
        for inside, place in paths.items():
            text = text.replace(inside, place)
        return filled(text, values)

    assert SERVICE["command"][:2] == ["mlflow", "server"]
    options = [here(option) for option in SERVICE["command"][2:]]
    settings = {name: here(value) for name, value in SERVICE["environment"].items()} | postgres.settings
    with Server(folder, options, settings) as server:
        yield Team(server, postgres, values["MLFLOW_ADMIN_PASSWORD"])
