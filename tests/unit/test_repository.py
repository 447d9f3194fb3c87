"""Files that must agree with each other: lists of packages, settings, and what commands promise."""

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from backend import __version__
from backend.config import Settings
from scripts._python import OLDEST, python_problem
from scripts._venv import dev_requirements, runtime_requirements
from scripts.check import CHECKS

ROOT = Path(__file__).parents[2]
#: Started by whatever Python a newcomer has, before anything is installed.
ENTRANCES = ("run.py", "test.py", "_python.py")
BEFORE_INSTALLING = (*ENTRANCES, "check.py", "_launch.py", "_probe.py", "_processes.py")


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _names(requirements: list[str]) -> list[str]:
    return [re.split(r"[^a-z0-9-]", line, maxsplit=1)[0] for line in requirements]


def test_both_lists_of_dependencies_are_the_same() -> None:
    assert runtime_requirements() == _project()["project"]["dependencies"]
    assert _names(runtime_requirements()) == sorted(_names(runtime_requirements()))


def test_what_tests_need_is_not_what_the_server_needs() -> None:
    assert {"pytest", "ruff", "mypy"} <= set(_names(dev_requirements()))
    assert not set(_names(dev_requirements())) & set(_names(runtime_requirements()))


def test_the_package_and_the_project_have_one_version() -> None:
    assert _project()["project"]["version"] == __version__


def _example(tmp_path: Path) -> Path:
    """`.env.example` with every setting switched on."""
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    active = tmp_path / "active.env"
    settings = (line.removeprefix("# ") for line in lines if line[2:].partition("=")[0].isupper())
    active.write_text("\n".join(line for line in settings if "=" in line), "utf-8")
    return active


def test_the_example_lists_every_setting_in_order(tmp_path: Path) -> None:
    listed = list(dotenv_values(_example(tmp_path)))
    assert listed == [name.upper() for name in Settings.model_fields]


def test_the_example_shows_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    assert Settings(_env_file=_example(tmp_path)) == Settings(_env_file=None)


def test_the_example_changes_nothing_when_it_is_copied() -> None:
    assert dotenv_values(ROOT / ".env.example") == {}


@pytest.mark.parametrize("name", ENTRANCES)
def test_an_old_python_can_read_the_entrances(name: str) -> None:
    source = (ROOT / "scripts" / name).read_text("utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    modules = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert modules <= {"pathlib", "scripts._python", "typing"}
    # Annotations are worked out when a function is made: nothing newer than 3.7 in them.
    assert "| None" not in source.replace("`tuple[int, int] | None`", "")


@pytest.mark.parametrize(
    "name", [*BEFORE_INSTALLING, "_tests.py", "_venv.py"], ids=lambda name: name.removesuffix(".py")
)
def test_what_runs_before_installing_needs_nothing_installed(name: str) -> None:
    tree = ast.parse((ROOT / "scripts" / name).read_text("utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= {*sys.stdlib_module_names, "scripts"}


def test_python_versions() -> None:
    assert python_problem((3, 11)) is None
    assert python_problem((3, 14)) is None
    told = python_problem((3, 9))
    assert told is not None
    assert "3.11 or newer" in told
    assert "this is Python 3.9" in told
    assert _project()["project"]["requires-python"] == f">={OLDEST[0]}.{OLDEST[1]}"


def test_ci_runs_the_command_of_the_manual() -> None:
    script = ROOT / ".ci" / "run"
    assert script.read_text("utf-8").endswith("\nexec python3 scripts/test.py\n")
    assert sys.platform == "win32" or script.stat().st_mode & 0o111


def test_the_hooks_come_from_nowhere_else() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert hooks.count("- repo:") == hooks.count("- repo: local") == 1
    assert "://" not in hooks
    used = [line.rpartition(" ")[2] for line in hooks.splitlines() if "entry: python3" in line]
    assert used
    assert set(used) <= set(CHECKS)
