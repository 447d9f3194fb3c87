"""`python3 scripts/run.py [--demo]`: install what is missing, start everything, stop it on Ctrl-C.

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
    from scripts._launch import launch  # its syntax is newer than what we may be running on

    return launch(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
