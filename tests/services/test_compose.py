"""mlflow/ against the installed MLflow: a misspelt setting would be ignored, a misspelt option found by a user."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import click
import mlflow.environment_variables as variables
import mlflow.server.auth
import pytest
from mlflow.cli import cli

from tests.helpers.compose import COMPOSE, FOLDER, SERVICE, VARIABLE, filled, mounted, texts

ROOT = FOLDER.parent
SERVER = cli.commands["server"]
README = (FOLDER / "README.md").read_text(encoding="utf-8")
EXAMPLE = dict(
    line.split("=", 1)
    for line in (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
SECRETS = {"POSTGRES_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY"}


def known(name: str) -> bool:
    """Whether MLflow reads this environment variable."""
    options = {param.envvar for param in SERVER.params}
    return name in options or getattr(getattr(variables, name, None), "name", None) == name


def parsed(command: list[str]) -> click.Context:
    """The arguments of an `mlflow ...` command as MLflow's own command line reads them; nothing is run."""
    assert command[0] == "mlflow"
    found: click.Command | None = cli
    words = command[1:]
    while isinstance(found, click.Group):
        found = found.get_command(click.Context(found), words.pop(0))
    assert found is not None, f"no such command: {shlex.join(command)}"
    return found.make_context("mlflow", words)


def ini(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser()
    assert parser.read(path) == [str(path)]
    return dict(parser["mlflow"])


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)).replace("\\\n", " ")


def test_settings_are_ones_mlflow_reads() -> None:
    names = [name for name in SERVICE["environment"] if name.startswith("MLFLOW_")]
    assert len(names) > 6
    assert [name for name in names if not known(name)] == []
    assert not known("MLFLOW_SERVER_ALLOWED_HOST")


def test_options_are_ones_mlflow_takes() -> None:
    given = parsed(SERVICE["command"]).params
    assert given["app_name"] == "basic-auth"
    assert given["backend_store_uri"] == "postgresql+psycopg:///mlflow"
    assert given["serve_artifacts"]
    assert given["artifacts_destination"] in mounted()
    with pytest.raises(click.NoSuchOption):
        parsed([*SERVICE["command"], "--artifact-destination=x"])


def test_jobs_telemetry_and_catalogue_are_off() -> None:
    settings = SERVICE["environment"]
    assert settings["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert settings["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert settings["MLFLOW_MODEL_CATALOG_URI"] == ""
    assert all(isinstance(value, str) for value in settings.values()), "YAML reads a bare false as no string"


def test_no_secret_has_a_default() -> None:
    """Prevents: a server on the network with a password that stands in a public repository."""
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET", name):
                found = VARIABLE.fullmatch(value)
                assert found is not None, name
                assert found["rule"] == "?", name
                with pytest.raises(KeyError, match=found["name"]):
                    filled(value, EXAMPLE)
    assert {name for name, value in EXAMPLE.items() if not value} == SECRETS | {"MLFLOW_ORIGINS"}


def test_example_names_every_variable_with_its_default() -> None:
    used = {found["name"]: found for text in texts(COMPOSE) for found in VARIABLE.finditer(text)}
    assert set(used) == set(EXAMPLE)
    for name, found in used.items():
        if found["rule"] == "-":
            assert EXAMPLE[name] == found["rest"], name
    assert not [text for text in texts(COMPOSE) if "$" in VARIABLE.sub("", text)], "a variable in another form"


def test_passwords_file_has_the_keys_mlflow_reads() -> None:
    """Prevents: a misspelt key, which the ini format lets pass."""
    package = Path(mlflow.server.auth.__file__).parent
    ours = ini(FOLDER / "basic-auth.ini")
    reader = (package / "config.py").read_text(encoding="utf-8")
    assert [key for key in ours if f'"{key}"' not in reader] == []
    assert set(ini(package / "basic_auth.ini")) - set(ours) == {"grant_default_workspace_access"}
    assert "admin_password" not in ours


def test_every_service_restarts_and_is_checked_and_keeps_its_data() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert {v.split(":")[0] for v in service["volumes"] if not v.startswith(".")} <= set(COMPOSE["volumes"]), name
    assert SERVICE["depends_on"]["postgres"]["condition"] == "service_healthy"
    for place in mounted().values():
        assert place in COMPOSE["volumes"] or (FOLDER / place).is_file()
    compile(SERVICE["healthcheck"]["test"][3], "healthcheck", "exec")


def test_image_installs_pinned_packages() -> None:
    text = (ROOT / SERVICE["build"]["dockerfile"]).read_text(encoding="utf-8")
    assert (FOLDER / SERVICE["build"]["context"]).resolve() == ROOT
    pins = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert "--constraint /tmp/constraints.txt" in text
    assert {"mlflow", "flask-wtf", "psycopg", "psycopg-binary"} <= pins
    for folder in (place for place in mounted() if not place.startswith("/etc")):
        assert folder in text, "the folder under a volume must belong to who runs the server"


def test_readme_commands_and_settings_exist() -> None:
    commands = [line.split("  #")[0] for line in blocks("sh").splitlines()]
    commands += re.findall(r"^ExecStart=\S*/(mlflow .*)$", blocks("ini"), flags=re.MULTILINE)
    found = re.findall(r"\bmlflow (?:server|db|ui)\b.*", "\n".join(commands))
    assert len(found) == 4
    for command in found:
        parsed(shlex.split(command))
    for name in set(re.findall(r"\bMLFLOW_[A-Z_]+[A-Z]\b", README)) - set(EXAMPLE):
        assert known(name), name
