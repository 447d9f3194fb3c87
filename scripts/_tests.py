"""Checks and tests in one go."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts._chromium import ensure_chromium
from scripts._venv import ROOT, SetupError, ensure_venv
from scripts.check import run_checks

#: One process more than the smallest machine that we know of has cores, since many tests wait for
#: seconds. Files stay together: their fixtures (a database, a simulator) are made once a file. In
#: the order of tests/conftest.py: by themselves, files of few tests come last, which take longest.
_PARALLEL = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
_NOT_KEPT = "PYTHONDONTWRITEBYTECODE"
_COVERAGE = ["--cov", "--cov-report=term:skip-covered"]


def run_everything(arguments: Sequence[str]) -> int:
    """0 only when every check and every test passed; pytest's closing line comes last."""
    try:
        python = ensure_venv(dev=True)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    ensure_chromium()
    with ThreadPoolExecutor(max_workers=1) as beside:
        # Many tests wait for seconds: the checks run meanwhile. A few tests would end before them.
        checking = beside.submit(_checked, python)
        if arguments:
            checking.result()
        print("\n=== pytest ===", flush=True)
        command = [str(python), "-m", "pytest", *pytest_arguments(arguments)]
        tests = subprocess.run(command, cwd=ROOT, env=_environment(), check=False).returncode
    return tests or int(not checking.result())


def _checked(python: Path) -> bool:
    failed = run_checks(python)
    if failed:
        print(f"\nFailed: {', '.join(failed)}. The tests run all the same.", flush=True)
    return not failed


def _environment() -> dict[str, str]:
    """Ours, but compiled code is kept: tests start a hundred processes of this code."""
    return {name: value for name, value in os.environ.items() if name != _NOT_KEPT}


def pytest_arguments(arguments: Sequence[str]) -> list[str]:
    """All tests unless some are named; what they reach costs half as much again, so on demand."""
    if list(arguments) == ["--coverage"]:
        return [*_PARALLEL, *_COVERAGE]
    return list(arguments) or _PARALLEL
