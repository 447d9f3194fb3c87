"""Every variable with its default; a bad value stops the start with one line that names it."""

import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backend.config import ROOT, Settings, SettingsError
from tests.studio import server_process

PROXIES = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"))
DEFAULTS: dict[str, Any] = {
    "MONGO_URL": "mongodb://localhost:27017",
    "MONGO_DRIVER": "motor",
    "DB_NAME": "storycanvas",
    "BACKEND_HOST": "127.0.0.1",
    "BACKEND_PORT": 8001,
    "DEBUG": False,
    "LOG_LEVEL": "INFO",
    "API_KEYS": (),
    "SECRET_KEY": None,
    "PUBLIC_URL": None,
    "TRUSTED_PROXIES": (),
    "MEDIA_URL_TTL": 43_200,
    "UPLOAD_DIR": ROOT / "uploads",
    "FRONTEND_DIR": None,
    "MAX_MUSIC_SIZE_MB": 50,
    "MAX_IMAGE_SIZE_MB": 10,
    "MAX_RESULT_SIZE_MB": 2048,
    "MAX_BODY_SIZE_MB": 16,
    "MAX_CACHE_SIZE_MB": 10_240,
    "GENERATE_WAIT_SECONDS": 240,
    "QUEUE_AGE_WINDOW": 120,
    "QUEUE_MAX_RETRIES": 2,
    "QUEUE_POLL_SECONDS": 1.0,
    "QUEUE_MAX_PENDING": 100_000,
    "QUEUE_MAX_PENDING_PER_PROJECT": 50_000,
    "JOB_STALL_SECONDS": 600,
    "SERVER_LOST_SECONDS": 30,
    "WORKER_LEASE_SECONDS": 60,
    "SERVER_CHECK_SECONDS": 5.0,
    "EVENT_HEARTBEAT_SECONDS": 15.0,
    "WEBHOOK_PRIVATE_HOSTS": False,
    "OPENAI_API_KEY": None,
    "OPENAI_BASE_URL": "https://api.openai.com/v1",
    "OPENAI_MODEL": "sora-2",
    "OPENAI_MAX_CONCURRENT": 2,
    "OPENAI_POLL_SECONDS": 5.0,
}

GOOD: list[tuple[str, str, Any]] = [
    ("MONGO_URL", "memory:", "memory:"),
    ("MONGO_URL", "embedded:./data/db", "embedded:./data/db"),
    ("MONGO_URL", "mongodb+srv://cluster.example/db", "mongodb+srv://cluster.example/db"),
    ("MONGO_DRIVER", "pymongo", "pymongo"),
    ("DB_NAME", "studio-2", "studio-2"),
    ("BACKEND_PORT", "65535", 65535),
    ("LOG_LEVEL", "debug", "DEBUG"),
    ("API_KEYS", "", ()),
    ("API_KEYS", " a , b,,", (SecretStr("a"), SecretStr("b"))),
    ("SECRET_KEY", "", None),
    ("PUBLIC_URL", "", None),
    ("PUBLIC_URL", "https://story.example/board/", "https://story.example/board"),
    ("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.1/8,", PROXIES),
    ("OPENAI_API_KEY", "", None),
    ("OPENAI_BASE_URL", "http://127.0.0.1:9000/v1/", "http://127.0.0.1:9000/v1"),
    ("QUEUE_AGE_WINDOW", "0", 0),
]

BAD = [
    ("MONGO_URL", "postgres://localhost"),
    ("MONGO_URL", "embedded:"),
    ("MONGO_DRIVER", "sqlite"),
    ("DB_NAME", "a b"),
    ("DB_NAME", "x" * 39),
    ("BACKEND_PORT", "0"),
    ("BACKEND_PORT", "65536"),
    ("BACKEND_PORT", "eight"),
    ("DEBUG", "maybe"),
    ("LOG_LEVEL", "LOUD"),
    ("API_KEYS", ","),
    ("SECRET_KEY", "short"),
    ("PUBLIC_URL", "story.example"),
    ("PUBLIC_URL", "https://a b"),
    ("PUBLIC_URL", "https://story.example:99999"),
    ("PUBLIC_URL", "https://a:b@story.example"),
    ("TRUSTED_PROXIES", "nginx"),
    ("MEDIA_URL_TTL", "5"),
    ("MAX_MUSIC_SIZE_MB", "0"),
    ("MAX_IMAGE_SIZE_MB", "-1"),
    ("MAX_RESULT_SIZE_MB", "1.5"),
    ("MAX_BODY_SIZE_MB", "lots"),
    ("GENERATE_WAIT_SECONDS", "nan"),
    ("GENERATE_WAIT_SECONDS", "inf"),
    ("QUEUE_AGE_WINDOW", "-1"),
    ("QUEUE_MAX_RETRIES", "21"),
    ("QUEUE_POLL_SECONDS", "0"),
    ("SERVER_LOST_SECONDS", "0"),
    ("SERVER_CHECK_SECONDS", "0"),
    ("WORKER_LEASE_SECONDS", "-1"),
    ("OPENAI_BASE_URL", "ftp://example.org"),
    ("OPENAI_BASE_URL", "api.openai.com"),
    ("OPENAI_BASE_URL", "https://user:secret@example.org/v1"),
    ("OPENAI_BASE_URL", "https://example.org/v1?key=secret"),
    ("OPENAI_API_KEY", "two\nlines"),
    ("OPENAI_MAX_CONCURRENT", "0"),
    ("OPENAI_POLL_SECONDS", "0"),
]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No variable of ours and an empty `.env`; gives that file's path."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / ".env"
    file.write_text("")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    return file


def test_every_variable_has_its_default() -> None:
    settings = Settings.load()
    assert {name.upper(): value for name, value in settings} == DEFAULTS


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_takes(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any) -> None:
    monkeypatch.setenv(name, text)
    assert getattr(Settings.load(), name.lower()) == value


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_value_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message


def test_every_bad_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_PORT", "0")
    monkeypatch.setenv("DEBUG", "maybe")
    with pytest.raises(SettingsError, match=r"^BACKEND_PORT: .*; DEBUG: .*$"):
        Settings.load()


@pytest.mark.parametrize("name", ["SECRET_KEY", "API_KEYS", "OPENAI_API_KEY"])
def test_secrets_stay_out_of_words(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "hunter2-hunter2")
    assert "hunter2" not in repr(Settings.load())
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("MONGO_URL", "postgres://u:hunter2@h")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert "hunter2" not in str(caught.value)


def test_env_file_gives_values_and_the_environment_wins(
    bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_environment.write_text("BACKEND_PORT=9001\nDB_NAME=from_file\nUNKNOWN=1\n")
    monkeypatch.setenv("DB_NAME", "from_environment")
    settings = Settings.load()
    assert (settings.backend_port, settings.db_name) == (9001, "from_environment")


def test_env_file_in_another_encoding_is_named(bare_environment: Path) -> None:
    bare_environment.write_bytes("DB_NAME=café".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"^\.env: is not UTF-8 text$"):
        Settings.load()


def test_upload_dir_must_be_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UPLOAD_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(SettingsError, match=r"^UPLOAD_DIR: .* is a file"):
        Settings.load()
    monkeypatch.setenv("UPLOAD_DIR", str(tmp_path / "made" / "later"))
    assert Settings.load().upload_dir == tmp_path / "made" / "later"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().debug = True  # type: ignore[misc]


@pytest.mark.parametrize(
    "command", [("-m", "backend.server"), ("-m", "uvicorn", "backend.server:app")]
)
def test_the_start_stops_with_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    with server_process(tmp_path, mongo_url="nonsense") as server:
        server.start(*command)
        assert server.process is not None
        assert server.process.wait(20) == 1
        lines = [line for line in server.log.splitlines() if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("StoryCanvas cannot start: MONGO_URL: must start with")


def test_importing_the_server_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, backend.server; sys.exit(hasattr(backend.server, '_nothing'))"
    monkeypatch.setenv("BACKEND_PORT", "x")
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ["UPLOAD_DIR", "BACKEND_HOST", "MONGO_URL", "OPENAI_MODEL"])
def test_a_variable_without_a_value_means_its_default(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`UPLOAD_DIR=` must not serve the current folder, nor `BACKEND_HOST=` listen everywhere."""
    monkeypatch.setenv(name, "")
    default = Settings(_env_file=None).model_copy()
    monkeypatch.delenv(name)
    assert default == Settings(_env_file=None)


@pytest.mark.parametrize("folder", [".", "..", "/", str(ROOT)])
def test_the_upload_folder_never_holds_the_program(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("UPLOAD_DIR", folder)
    with pytest.raises(SettingsError, match=r"^UPLOAD_DIR: must not hold"):
        Settings.load()


class TestFrontendDir:
    def refused(self, monkeypatch: pytest.MonkeyPatch, folder: Path | str) -> str:
        monkeypatch.setenv("FRONTEND_DIR", str(folder))
        with pytest.raises(SettingsError, match=r"^FRONTEND_DIR: [^\n]+$") as caught:
            Settings.load()
        return str(caught.value)

    def test_a_built_client(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "client").mkdir()
        (tmp_path / "client" / "index.html").write_text("<!doctype html>")
        monkeypatch.setenv("FRONTEND_DIR", str(tmp_path / "x" / ".." / "client"))
        assert Settings.load().frontend_dir == tmp_path / "client"
        monkeypatch.setenv("FRONTEND_DIR", "")
        assert Settings.load().frontend_dir is None

    def test_no_folder_or_no_client_in_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        assert "there is no folder" in self.refused(monkeypatch, tmp_path / "none")
        assert "no index.html" in self.refused(monkeypatch, tmp_path)
        (tmp_path / "index.html").mkdir()
        assert "no index.html" in self.refused(monkeypatch, tmp_path)

    def test_nothing_private_becomes_public(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "index.html").write_text("<!doctype html>")
        monkeypatch.setenv("UPLOAD_DIR", str(tmp_path / "uploads"))
        assert "must not hold UPLOAD_DIR" in self.refused(monkeypatch, tmp_path)
        monkeypatch.delenv("UPLOAD_DIR")
        monkeypatch.setenv("MONGO_URL", f"embedded:{tmp_path}/db")
        assert "must not hold the database" in self.refused(monkeypatch, tmp_path)

    def test_it_stops_the_start_with_one_line(self, tmp_path: Path) -> None:
        with server_process(
            tmp_path, mongo_url="memory:", frontend_dir=tmp_path / "none"
        ) as server:
            server.start()
            assert server.process is not None
            assert server.process.wait(20) == 1
            (line,) = [line for line in server.log.splitlines() if line.strip()]
        assert line.startswith("StoryCanvas cannot start: FRONTEND_DIR: there is no folder")
