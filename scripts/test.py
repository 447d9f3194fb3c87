"""`python3 scripts/test.py [pytest arguments]`: install what tests need, run what CI runs.

All checks, then all tests; with arguments, pytest gets those. `--coverage` alone runs all tests
and fails if they reach too little of the code.
Standard library only, and readable for old Pythons, so that they can say that they are too old.
"""

import sys
from pathlib import Path

if __package__ in {None, ""}:  # run as a file: make `scripts` importable, not its parts
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from scripts._python import python_problem


def main() -> int:
    problem = python_problem(sys.version_info[:2])
    if problem:
        sys.stderr.write(problem + "\n")
        return 1
    from scripts._tests import run_everything  # its syntax may be too new for us

    return run_everything(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
