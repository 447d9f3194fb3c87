"""`python3 scripts/check.py [name ...]`: lint, format, types, import layers; all or those named."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in {None, ""}:  # run as a file: make `scripts` importable, not its parts
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from scripts._venv import ROOT, SetupError, ensure_venv

#: Arguments for the virtual environment's Python. import-linter has no `-m`; its console script
#: names an absolute path, which a moved checkout would break.
CHECKS: dict[str, list[str]] = {
    "ruff": ["-m", "ruff", "check"],
    "format": ["-m", "ruff", "format", "--check"],
    "mypy": ["-m", "mypy"],
    "imports": ["-c", "from importlinter.cli import lint_imports_command as run; run()"],
}


def run_checks(python: Path, names: Sequence[str] = tuple(CHECKS)) -> list[str]:
    """Run each check to its end; give the names of those that failed."""
    failed = []
    for name in names:
        print(f"\n=== {name} ===", flush=True)
        if subprocess.run([str(python), *CHECKS[name]], cwd=ROOT, check=False).returncode:
            failed.append(name)
    return failed


def main(names: Sequence[str]) -> int:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"There is no check '{unknown[0]}', only {', '.join(CHECKS)}.", file=sys.stderr)
        return 2
    try:
        failed = run_checks(ensure_venv(dev=True), names or tuple(CHECKS))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\nFailed: {', '.join(failed)}." if failed else "\nAll checks passed.", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
