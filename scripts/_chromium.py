"""The browser that some tests open. They do without one, but then nobody presses a button."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Tests of these files and folders open it.
USERS = ("tests/browser/", "test_live_browser.py", "test_manual.py")
_INSTALL = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"])
_SECONDS = 600


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def said_without(program: str | None, tests: Iterable[str]) -> str:
    """Tell that tests which open a browser had none; "" when there is nothing to tell."""
    if program is not None:
        return ""
    amount = sum(any(user in test for user in USERS) for test in tests)
    if amount == 0:
        return ""
    return (
        f"Chromium was not found: {amount} tests that open it went over HTTP alone, and no page"
        " was seen. Install chromium to run them whole."
    )


def may_install(
    *, environment: Mapping[str, str], system: str, is_root: bool, has_browser: bool
) -> bool:
    """Only on a Debian that was made for the tests: nobody's own machine is changed unasked."""
    is_ours = environment.get("CI", "").lower() == "true" and is_root
    return is_ours and system == "debian" and not has_browser


def ensure_chromium() -> None:
    """Install Debian's chromium where that is allowed; say so when it fails, and go on."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not may_install(
        environment=os.environ,
        system=_system(),
        is_root=is_root,
        has_browser=find_chromium() is not None,
    ):
        return
    print("Installing chromium for the tests that open a browser ...", flush=True)
    if not all(_run(command) for command in _INSTALL):
        print("It could not be installed; those tests go without a browser.", flush=True)


def _system() -> str:
    """Give the distribution's own id, as os-release has it; "" elsewhere."""
    try:
        return platform.freedesktop_os_release().get("ID", "")
    except OSError:
        return ""


def _run(command: list[str]) -> bool:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=quiet, stdout=subprocess.DEVNULL, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
