"""The commands a newcomer starts: what they decide, and the whole demo from start to stop."""

import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import pycmx
import pytest
from PIL import Image

from backend.config import Settings
from backend.mongo.embedded import EmbeddedDatabase
from scripts import _environment, _launch, _venv
from scripts._api import Api, DemoError
from scripts._demo_output import require_replaceable
from scripts._environment import Choice, choose_database, prepare, write_env
from scripts._probe import free_port, get_json, is_storycanvas, local_url, port_problem
from scripts._processes import Child
from scripts._story import STORY
from scripts._tune import write_tune
from scripts.demo import main as demo
from scripts.demo import studio_of
from tests.export.fcpxml_reader import check
from tests.waiting import until

ROOT = Path(__file__).parents[2]
RUN = [sys.executable, str(ROOT / "scripts" / "run.py"), "--no-venv"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def held_port() -> Iterator[int]:
    """A port that another program has, and where nothing answers."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


class TestChoosingADatabase:
    def test_a_mongodb_that_serves_us_is_taken(self, tmp_path: Path) -> None:
        database = EmbeddedDatabase(tmp_path / "db")  # it speaks MongoDB's protocol
        database.start()
        try:
            choice = choose_database(f"mongodb://127.0.0.1:{database.port}")
        finally:
            database.stop()
        assert choice.mongo_url == f"mongodb://127.0.0.1:{database.port}"

    def test_an_open_port_is_no_mongodb(self, silent_port: int) -> None:
        url = f"mongodb://127.0.0.1:{silent_port}"
        assert _environment.mongodb_problem(url, patience_ms=200) is not None

    @pytest.mark.parametrize(
        ("embedded", "chosen"), [(True, "embedded:./data/db"), (False, "memory:")]
    )
    def test_without_one_it_is_the_best_that_is_installed(
        self, embedded: bool, chosen: str
    ) -> None:
        choice = choose_database(
            f"mongodb://127.0.0.1:{free_port()}", embedded=embedded, patience_ms=200
        )
        assert choice.mongo_url == chosen
        assert ("GONE" in choice.reason) == (chosen == "memory:")


class TestWritingEnv:
    def test_it_is_read_as_it_was_meant(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MONGO_URL", raising=False)
        assert write_env(tmp_path / ".env", Choice("embedded:./data/db", "None answers."))
        assert Settings(_env_file=tmp_path / ".env").mongo_url == "embedded:./data/db"

    def test_it_is_written_once(self, tmp_path: Path) -> None:
        mine = tmp_path / ".env"
        mine.write_text("BACKEND_PORT=9\n", "utf-8")
        assert not write_env(mine, Choice("memory:", ""))
        assert prepare(mine, chosen_already=False) == ""
        assert mine.read_text("utf-8") == "BACKEND_PORT=9\n"

    def test_a_database_named_by_the_environment_needs_none(self, tmp_path: Path) -> None:
        assert prepare(tmp_path / ".env", chosen_already=True) == ""
        assert not (tmp_path / ".env").exists()


class TestInstalling:
    def test_only_what_changed_is_installed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _venv.fill(tmp_path, Path(sys.executable), {"runtime": ["pytest>=1"]})
        assert "Installing 1 packages" in capsys.readouterr().out
        _venv.fill(tmp_path, Path(sys.executable), {"runtime": ["pytest>=1"]})
        assert capsys.readouterr().out == ""
        assert not _venv.is_installed(tmp_path, "runtime", ["pytest>=2"])
        assert not _venv.is_installed(tmp_path, "dev", ["pytest>=1"])

    def test_a_failure_shows_what_pip_said(self, tmp_path: Path) -> None:
        with pytest.raises(_venv.SetupError, match="Invalid requirement: 'no requirement at all'"):
            _venv.fill(tmp_path, Path(sys.executable), {"runtime": ["no requirement at all"]})
        assert not _venv.is_installed(tmp_path, "runtime", ["no requirement at all"])

    def test_debians_missing_package_is_named(self) -> None:
        assert _venv.venv_problem() is None
        told = _venv.venv_problem(("venv", "ensurepip_that_debian_left_out"))
        assert told is not None
        assert "sudo apt install python3-venv" in told

    def test_where_windows_keeps_its_python(self) -> None:
        assert _venv.python_of(Path("v"), "nt") == Path("v/Scripts/python.exe")
        assert _venv.python_of(Path("v"), "posix") == Path("v/bin/python")


class TestPorts:
    def test_a_taken_port_is_seen(self, silent_port: int) -> None:
        assert port_problem("127.0.0.1", silent_port) is not None
        assert port_problem("127.0.0.1", free_port()) is None

    def test_addresses_are_reachable_ones(self) -> None:
        assert local_url("0.0.0.0", 1) == "http://127.0.0.1:1"
        assert local_url("::", 1) == "http://[::1]:1"
        assert local_url("studio", 1) == "http://studio:1"

    @pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "x"], ["--comfyui", "x"]])
    def test_nonsense_is_refused(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            _launch.parse(arguments)
        assert arguments[0] in capsys.readouterr().err

    def test_a_port_of_another_program_is_named(
        self, held_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MONGO_URL", "memory:")
        ended = subprocess.run(
            [*RUN, "--port", str(held_port)], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 1
        assert f"port {held_port} (" in ended.stderr
        assert "BACKEND_PORT" in ended.stderr
        assert "--port" in ended.stderr


def test_a_wrong_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URL", "memory:")
    monkeypatch.setenv("BACKEND_PORT", "many")
    ended = subprocess.run(RUN, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("StoryCanvas cannot start: BACKEND_PORT")
    assert "Traceback" not in ended.stderr


class TestPartsOfTheDemo:
    def test_the_tune_is_as_long_as_the_film(self, tmp_path: Path) -> None:
        write_tune(tmp_path / "tune.wav", 4)
        with wave.open(str(tmp_path / "tune.wav")) as tune:
            assert tune.getnframes() == 4 * tune.getframerate()
            assert max(tune.readframes(48_000)) > 0

    def test_it_deletes_nothing_but_its_own_files(self, tmp_path: Path) -> None:
        require_replaceable(tmp_path)
        (tmp_path / "project.edl").touch()
        require_replaceable(tmp_path)
        (tmp_path / "thesis.doc").touch()
        with pytest.raises(DemoError, match=r"thesis\.doc"):
            require_replaceable(tmp_path)

    def test_it_makes_do_with_the_models_there_are(self) -> None:
        server = {"id": "s"}
        some = {"server": server, "models": [{"name": "mine.safetensors", "type": "unknown"}]}
        studio = studio_of(some)
        assert studio.video is None
        assert "model" not in studio.image
        with pytest.raises(DemoError, match="no model"):
            studio_of({"server": server, "models": []})


class Run(NamedTuple):
    """A whole `run.py --demo-only`: what it printed and where its files are."""

    said: str
    output: Path
    folder: Path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """From nothing to the film, with the embedded database and a simulator that run.py starts."""
    folder = tmp_path_factory.mktemp("newcomer")
    places = ["--port", str(free_port()), "--comfyui", f"http://127.0.0.1:{free_port()}"]
    places += ["--output", str(folder / "demo-output"), "--logs", str(folder / "logs")]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MONGO_URL", f"embedded:{folder / 'db'}")
        environment.setenv("UPLOAD_DIR", str(folder / "uploads"))
        ended = subprocess.run(
            [*RUN, "--demo-only", *places], capture_output=True, text=True, check=False
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return Run(ended.stdout, folder / "demo-output", folder)


def _timeline(film: Run) -> dict[str, Any]:
    return dict(json.loads((film.output / "project.json").read_bytes())["timeline"])


def test_the_demo_delivers_files_that_open(film: Run) -> None:
    clips = [item for item in _timeline(film)["items"] if item["type"] == "clip"]
    assert len(clips) == sum(len(act.shots) for act in STORY) == 6
    kinds = []
    for media in _timeline(film)["media"]:
        file = film.output / "media" / media["name"]
        kinds.append(media["kind"])
        if media["kind"] == "still":
            with Image.open(file) as image:
                image.load()
                assert image.size == (media["width"], media["height"])
        else:
            with av.open(file) as container:
                assert len(list(container.decode(container.streams[0]))) > 10
    assert sorted(kinds) == ["audio", *["still"] * 5, "video"]
    assert len(list((film.output / "media").iterdir())) == 7


@pytest.mark.parametrize("name", ["project.fcpxml", "project_resolve.fcpxml"])
def test_the_demos_fcpxml_is_valid_and_finds_its_media(film: Run, name: str) -> None:
    checked = check((film.output / name).read_bytes())
    named = [rep.get("src", "") for rep in checked.root.iter("media-rep")]
    assert len(named) == 7
    for source in named:
        assert source.startswith("./media/")
        assert (film.output / urllib.parse.unquote(source)).is_file()
    assert checked.duration == 20  # the gap was closed, so the music fits


def test_the_demos_edl_is_read_by_others(film: Run) -> None:
    parsed = pycmx.parse_cmx3600(io.StringIO((film.output / "project.edl").read_text("ascii")))
    names = {event.edits[0].clip_name for event in parsed.events}
    assert {path.name for path in (film.output / "media").iterdir()} >= names
    assert len(names) >= 6


def test_the_demo_says_where_everything_is(film: Run) -> None:
    for told in ("a simulator draws placeholders", "100%", "project.edl", "/docs", "Project id: "):
        assert told in film.said
    assert "'In the mirror' now comes before 'Close: the wheel'" in film.said
    assert "found and closed" in film.said


def test_nothing_is_left_running(film: Run) -> None:
    _await_end_of_all(film.folder)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Child]]:
    """`run.py` without the demo: its address, and the program itself."""
    monkeypatch.setenv("MONGO_URL", "memory:")
    monkeypatch.setenv("UPLOAD_DIR", str(tmp_path / "uploads"))
    port = free_port()
    child = Child("run.py", [*RUN, "--port", str(port)], log=tmp_path / "said.log")
    child.start()
    url = f"http://127.0.0.1:{port}"
    until(lambda: "Ctrl-C stops the server" in child.last_words())
    yield url, child
    child.stop()


@pytest.fixture
def quick_simulator(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = ["-m", "backend.comfyui_simulator", "--port", str(port), "--seconds-per-step", "0"]
    child = Child("simulator", [sys.executable, *command], log=tmp_path / "simulator.log")
    child.start()
    until(lambda: f":{port}" in child.last_words())
    yield f"http://127.0.0.1:{port}"
    child.stop()


def test_serving_and_stopping(
    film: Run, quick_simulator: str, server: tuple[str, Child], tmp_path: Path
) -> None:
    url, child = server
    assert is_storycanvas(url)
    assert "The database is in memory" in child.last_words()
    second = [*RUN, "--port", url.rpartition(":")[2]]
    ended = subprocess.run(second, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"A StoryCanvas answers on {url} already" in ended.stdout

    output = tmp_path / "demo-output"
    shutil.copytree(film.output, output)
    assert demo(["--url", url, "--comfyui", quick_simulator, "--output", str(output)]) == 0
    assert demo(["--url", url, "--comfyui", quick_simulator, "--output", str(output)]) == 0
    assert Api(url).call("GET", "/projects")["total"] == 2
    assert len(Api(url).call("GET", "/comfyui/servers")) == 1
    assert len(list((output / "media").iterdir())) == 7
    replaced, kept = (
        json.loads((at / "project.json").read_bytes()) for at in (output, film.output)
    )
    assert replaced["project"]["id"] != kept["project"]["id"]

    child.send(signal.SIGINT)
    until(lambda: child.exit_code is not None)
    assert child.exit_code == 0
    assert "Stopping" in child.last_words()
    assert get_json(url) is None
    _await_end_of_all(tmp_path / "uploads")


def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGO_URL", f"embedded:{tmp_path / 'db'}")
    places = ["--port", str(free_port()), "--comfyui", f"http://127.0.0.1:{free_port()}"]
    command = [*RUN, "--demo-only", *places, "--logs", str(tmp_path)]
    other = EmbeddedDatabase(tmp_path / "db")
    other.start()
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert "The server could not start (exit code" in ended.stderr
        assert f"The end of {tmp_path / 'server.log'}:" in ended.stderr
        assert "is in use by another running StoryCanvas" in ended.stderr
    finally:
        other.stop()
    _await_end_of_all(tmp_path)


def _await_end_of_all(folder: Path) -> None:
    """No process whose environment names this folder; known where /proc tells."""
    until(lambda: not _processes_of(folder))


def _processes_of(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text("utf-8"))
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return found
