"""Runs a program of ours in a process of its own: heavy work, whose memory ends with it."""

import subprocess
import sys
from pathlib import Path

from backend.utils.errors import TypesettingError

_LONGEST_SECONDS = 300


def run_child(program: str, folder: Path) -> None:
    """`python program folder`, alone with the installed packages. Blocking; TypesettingError."""
    try:
        subprocess.run(  # noqa: S603 - our own program, with a folder that we made
            [sys.executable, "-I", program, str(folder)],
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise TypesettingError("Setting the storyboard took too long.") from error
    except subprocess.CalledProcessError as error:
        reason = RuntimeError(error.stderr.decode(errors="replace")[-2000:])
        raise TypesettingError("The storyboard could not be set.") from reason
