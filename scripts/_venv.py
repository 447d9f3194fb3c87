"""The virtual environment `.venv`: made once, filled once, found ready the next time."""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tomllib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"

_KEPT_LINES = 15
#: What is imported is compiled then, once; compiling all of it takes a quarter of the time.
_PIP_INSTALL = (
    *("-m", "pip", "install", "--no-compile", "--prefer-binary"),
    *("--disable-pip-version-check", "--no-input"),
)
_PROBE = "import sys, pip; print(sys.version_info >= (3, 11))"


class SetupError(Exception):
    """The command must stop; the message says what is wrong and what helps."""


def runtime_requirements() -> list[str]:
    """The lines of requirements.txt that name a package."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def dev_requirements() -> list[str]:
    """What the tests and checks need on top of the runtime."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return list(project["dependency-groups"]["dev"])


def ensure_venv(*, dev: bool = False, venv: Path = VENV) -> Path:
    """Make and fill `.venv` where needed; give its Python. Quick when nothing changed.

    Raises SetupError when there is no venv module or pip fails.
    """
    python = python_of(venv)
    if not _works(python):
        _create(venv)
        _renew_pip(python)
    groups = {"runtime": runtime_requirements()} | ({"dev": dev_requirements()} if dev else {})
    fill(venv, python, groups)
    return python


def fill(venv: Path, python: Path, groups: Mapping[str, Sequence[str]]) -> None:
    """Install the named lists of requirements, unless their stamps say that they are there."""
    if all(is_installed(venv, name, lines) for name, lines in groups.items()):
        return
    install(python, [line for lines in groups.values() for line in lines], log=venv / "pip.log")
    for name, lines in groups.items():
        _stamp_file(venv, name).write_text(_digest(lines), "utf-8")


def _renew_pip(python: Path) -> None:
    """The pip that comes with a Python is as old as it is, and may take twice as long.

    Where a newer one cannot be had, this one will say what is wrong.
    """
    command = [str(python), *_PIP_INSTALL, "--retries", "0", "--upgrade", "pip"]
    subprocess.run(command, capture_output=True, check=False)


def python_of(venv: Path, system: str = os.name) -> Path:
    return venv / "Scripts" / "python.exe" if system == "nt" else venv / "bin" / "python"


def is_installed(venv: Path, name: str, requirements: Iterable[str]) -> bool:
    """Whether the stamp of this group was left by the very same list."""
    stamp = _stamp_file(venv, name)
    return stamp.is_file() and stamp.read_text("utf-8") == _digest(requirements)


def venv_problem(modules: Sequence[str] = ("venv", "ensurepip")) -> str | None:
    """Say what is missing: Debian and Ubuntu leave ensurepip out of their Python."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return (
        f"This Python cannot make virtual environments, its module {missing[0]} is missing. "
        "On Debian and Ubuntu `sudo apt install python3-venv` brings it."
    )


def install(python: Path, requirements: Sequence[str], *, log: Path) -> None:
    """Run pip, showing one changing line on a terminal. SetupError carries pip's last words."""
    print(f"Installing {len(requirements)} packages into {log.parent} (once) ...", flush=True)
    command = [str(python), *_PIP_INSTALL, *requirements]
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as pip,
    ):
        try:
            for line in pip.stdout or ():
                kept.write(line)
                last.append(line.rstrip())
                _show(line)
        finally:
            if pip.poll() is None and sys.exc_info()[0]:
                pip.terminate()
    _show("")
    if pip.returncode:
        words = "\n  ".join(last)
        raise SetupError(f"pip could not install the packages ({log}). Its last words:\n  {words}")


def _show(line: str) -> None:
    """On a terminal, put pip's current package on one line; elsewhere nothing."""
    if not sys.stdout.isatty():
        return
    words = line.split()
    if not words:
        sys.stdout.write("\r\x1b[K")
    elif words[0] in {"Collecting", "Downloading", "Installing", "Building"}:
        sys.stdout.write(f"\r\x1b[K  {' '.join(words[:2])[:70]}")
    sys.stdout.flush()


def _works(python: Path) -> bool:
    """Whether this interpreter still starts and has pip: its base may be gone or replaced."""
    if not python.exists():
        return False
    try:
        told = subprocess.run(
            [str(python), "-c", _PROBE], capture_output=True, text=True, check=False, timeout=60
        )
    except OSError:
        return False
    return told.returncode == 0 and told.stdout.strip() == "True"


def _create(venv: Path) -> None:
    problem = venv_problem()
    if problem:
        raise SetupError(problem)
    print(f"Making the virtual environment {venv} ...", flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        words = (made.stdout + made.stderr).strip()
        raise SetupError(f"The virtual environment {venv} could not be made:\n{words}")


def _stamp_file(venv: Path, name: str) -> Path:
    return venv / f"installed-{name}"


def _digest(requirements: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(requirements).encode()).hexdigest()
