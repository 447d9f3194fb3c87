"""What run.py does: install, choose a database, start simulator and server, run the demo, stop."""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from scripts._probe import (
    get_json,
    is_comfyui,
    is_simulator,
    is_storycanvas,
    is_this_machine,
    local_url,
    port_problem,
)
from scripts._processes import Child, StopRequest
from scripts._venv import ROOT, SetupError, ensure_venv

COMFYUI = "http://127.0.0.1:8188"

_START_SECONDS = 60.0
_SIMULATOR_PORTS = 20


class LaunchError(Exception):
    """The command must stop; the message says what is wrong and what helps."""


class Surroundings(NamedTuple):
    """What the settings say; `database` is `mongodb`, `mongodb+srv`, `embedded` or `memory`."""

    host: str
    port: int
    database: str
    api_key: str | None = None
    note: str = ""

    @property
    def url(self) -> str:
        return local_url(self.host, self.port)


@dataclass(frozen=True)
class Options:
    demo: bool = False
    exit_after: bool = False
    port: int | None = None
    comfyui: str = COMFYUI
    output: Path = Path("demo-output")
    logs: Path = ROOT / "data" / "logs"
    use_venv: bool = True


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Install StoryCanvas into .venv, start its database and its server, and stop "
        "everything on Ctrl-C. Settings are in .env, which is written the first time.",
    )
    add = parser.add_argument
    add("--demo", action="store_true", help="make a short film first, then keep serving")
    add("--demo-only", "--exit", action="store_true", help="make the film, stop everything, exit")
    add("--port", type=_port, help="listen there instead of on BACKEND_PORT (8001)")
    add(
        "--comfyui",
        type=_web_address,
        metavar="URL",
        default=COMFYUI,
        help="the demo's ComfyUI; none there: a simulator takes its place (%(default)s)",
    )
    add("--output", type=Path, default=Path("demo-output"), help="the demo's files (%(default)s)")
    add("--logs", type=Path, default=Options.logs, help="while the demo runs (%(default)s)")
    add("--no-venv", action="store_true", help="use this Python and what it has installed")
    given = parser.parse_args(arguments)
    return Options(
        demo=given.demo or given.demo_only,
        exit_after=given.demo_only,
        port=given.port,
        comfyui=given.comfyui,
        output=given.output.absolute(),
        logs=given.logs.absolute(),
        use_venv=not given.no_venv,
    )


def launch(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    try:
        # Until something runs that must be stopped in order, SIGTERM ends us like Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        python = ensure_venv() if options.use_venv else Path(sys.executable)
        around = look_around(python, options.port)
        return Launch(options, python, around).run()
    except (SetupError, LaunchError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.")
        return 130


def look_around(python: Path, port: int | None) -> Surroundings:
    """Have the environment write `.env` if there is none, and read the settings."""
    command = [str(python), str(ROOT / "scripts" / "_environment.py")]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        raise LaunchError(told.stderr.strip())
    around = Surroundings(**json.loads(told.stdout))
    return around if port is None else around._replace(port=port)


class Launch:
    """One run: what it started, it stops, in reverse."""

    def __init__(self, options: Options, python: Path, around: Surroundings) -> None:
        self._options = options
        self._python = str(python)
        self._around = around
        self._stop = StopRequest()
        self._children: list[Child] = []

    def run(self) -> int:
        self._stop.listen()
        _say(self._around.note)
        try:
            return self._run()
        finally:
            if self._children:
                _say("Stopping ...")
            for child in reversed(self._children):
                child.stop()

    def _run(self) -> int:
        running = self._running_already()
        if running and not self._options.demo:
            _say(running)
            return 1
        comfyui = self._comfyui() if self._options.demo else ""
        if running:
            _say(f"{running} The demo uses it.")
        else:
            self._start_server()
        if self._options.demo and not self._stop.is_set:
            code = self._demo(comfyui)
            if code or self._options.exit_after:
                return code
        return self._keep_serving()

    def _running_already(self) -> str:
        """A sentence when a StoryCanvas has our port; LaunchError when something else has it."""
        around = self._around
        problem = port_problem(around.host, around.port)
        if problem is None:
            return ""
        if is_storycanvas(around.url):
            return f"A StoryCanvas answers on {around.url} already; nothing was started beside it."
        raise LaunchError(
            f"Cannot listen on {around.host} port {around.port} ({problem}). Another program may "
            "have it: stop that one, set BACKEND_PORT in .env, or try --port "
            f"{around.port + 1 if around.port < 65_535 else 8001}."
        )

    def _comfyui(self) -> str:
        """The URL of a ComfyUI; a simulator is started where there is none."""
        wanted = self._options.comfyui
        if is_comfyui(wanted):
            _say(f"{'A simulated' if is_simulator(wanted) else 'A'} ComfyUI answers on {wanted}.")
            return wanted
        if not is_this_machine(wanted):
            raise LaunchError(f"No ComfyUI answers on {wanted}. Start it, or leave out --comfyui.")
        port = _simulator_port(urlsplit(wanted).port or 8188)
        url = local_url("127.0.0.1", port)
        self._start("the ComfyUI simulator", ["backend.comfyui_simulator", "--port", str(port)])
        self._await(lambda: is_comfyui(url))
        _say(f"No ComfyUI answers on {wanted}: a simulator draws placeholders on {url}.")
        return url

    def _start_server(self) -> None:
        around = self._around
        port = {"BACKEND_PORT": str(around.port)}
        self._start("the server", ["backend.server"], port, logged=self._options.demo)
        self._await(lambda: get_json(f"{around.url}/api/v1/health") is not None)
        if self._stop.is_set:
            return
        health = get_json(f"{around.url}/api/v1/health") or {}
        if health.get("status") == "unhealthy":
            _say("The server runs, but its database does not answer: look at MONGO_URL in .env.")
        if around.database == "memory":
            _say("The database is in memory: everything is gone when the server stops.")
        if not self._options.demo:
            _say(self._where())

    def _start(
        self,
        name: str,
        module: Sequence[str],
        environment: dict[str, str] | None = None,
        *,
        logged: bool = True,
    ) -> None:
        log = self._options.logs / f"{module[0].rpartition('.')[2]}.log" if logged else None
        child = Child(name, [self._python, "-m", *module], log=log)
        child.start(environment)
        self._children.append(child)

    def _await(self, ready: Callable[[], bool]) -> None:
        """Wait for the child started last. LaunchError when it ends or takes too long."""
        child = self._children[-1]
        for _ in range(int(_START_SECONDS / 0.1)):
            if ready() or self._stop.wait(0.1):
                return
            if child.exit_code is not None:
                raise LaunchError(_why_ended(child, "could not start"))
        raise LaunchError(_why_ended(child, f"did not answer within {_START_SECONDS:.0f} seconds"))

    def _demo(self, comfyui: str) -> int:
        script = str(ROOT / "scripts" / "demo.py")
        places = ["--url", self._around.url, "--comfyui", comfyui]
        places += ["--output", str(self._options.output)]
        demo = Child("the demo", [self._python, script, *places])
        key = {"API_KEYS": self._around.api_key} if self._around.api_key else None
        demo.start(key)
        self._children.append(demo)
        while demo.exit_code is None and not self._stop.wait(0.1):
            self._check_children(but=demo)
        demo.stop()
        self._children.remove(demo)
        return demo.exit_code or 0 if not self._stop.is_set else 0

    def _keep_serving(self) -> int:
        if not self._children:
            return 0
        if not self._stop.is_set:
            _say("\nCtrl-C stops the server.")
        while not self._stop.wait(0.5):
            self._check_children()
        return 0

    def _check_children(self, but: Child | None = None) -> None:
        for child in self._children:
            if child is not but and child.exit_code is not None:
                raise LaunchError(_why_ended(child, "ended by itself"))

    def _where(self) -> str:
        url = self._around.url
        return (
            f"StoryCanvas serves on {url}\n"
            f"  API manual  {url}/docs\n"
            f"  health      {url}/api/v1/health"
        )


def _why_ended(child: Child, what: str) -> str:
    name = child.name[0].upper() + child.name[1:]
    code = "" if child.exit_code is None else f" (exit code {child.exit_code})"
    words = child.last_words()
    if not words:
        return f"{name} {what}{code}; its last words are above."
    return f"{name} {what}{code}. The end of {child.log}:\n{words}"


def _simulator_port(wanted: int) -> int:
    """The port of ComfyUI, or the next free one when another program has it."""
    for port in range(wanted, wanted + _SIMULATOR_PORTS):
        if port_problem("127.0.0.1", port) is None:
            return port
    raise LaunchError(f"All ports from {wanted} to {port} are taken: name another with --comfyui.")


def _say(text: str) -> None:
    if text:
        print(text, flush=True)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port from 1 to 65535")
    return int(text)


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise argparse.ArgumentTypeError(f"'{text}' is no http:// or https:// URL")
    return text.rstrip("/")
