"""Writes `.env` the first time, and says what the settings are. Runs inside the environment.

`python scripts/_environment.py` prints one line of JSON for run.py: `{host, port, database,
api_key, note}`. Its exit code is 1 when a setting is wrong; the sentence is on stderr.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

if __package__ in {None, ""}:  # run as a file: make `backend` importable
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import pymongo
from pymongo.errors import PyMongoError

from backend.config import ROOT, Settings, SettingsError

LOCAL_MONGODB = "mongodb://localhost:27017"
EMBEDDED = "embedded:./data/db"
MEMORY = "memory:"

_PATIENCE_MS = 1_500


class Choice(NamedTuple):
    """A value for MONGO_URL, and the sentence that says why it is that."""

    mongo_url: str
    reason: str


def choose_database(
    url: str = LOCAL_MONGODB, *, embedded: bool | None = None, patience_ms: int = _PATIENCE_MS
) -> Choice:
    """Prefer a MongoDB that really serves us, then the embedded database, then memory.

    `embedded` says whether SecantusDB is installed; left out, it is looked up.
    """
    problem = mongodb_problem(url, patience_ms=patience_ms)
    if problem is None:
        return Choice(url, f"A MongoDB answers on {url.removeprefix('mongodb://')}.")
    if importlib.util.find_spec("secantus") is not None if embedded is None else embedded:
        return Choice(EMBEDDED, f"{problem} The embedded database keeps its files in ./data/db.")
    return Choice(
        MEMORY,
        f"{problem} The embedded database has no package for this Python or platform. "
        "Everything stays in memory and is GONE when the server stops.",
    )


def mongodb_problem(url: str, *, patience_ms: int = _PATIENCE_MS) -> str | None:
    """None when a MongoDB answers there, takes writes, and asks for no login; else a sentence."""
    place = url.removeprefix("mongodb://")
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
        url,
        serverSelectionTimeoutMS=patience_ms,
        connectTimeoutMS=patience_ms,
        socketTimeoutMS=patience_ms,
    )
    with client:
        try:
            if not client.admin.command("hello").get("isWritablePrimary"):
                return f"The MongoDB on {place} takes no writes."
            client["storycanvas"].list_collection_names()
        except PyMongoError:
            return f"No MongoDB that we may use answers on {place}."
    return None


def write_env(path: Path, choice: Choice) -> bool:
    """Write the first `.env`; False, and nothing touched, when there is one."""
    text = (
        "# Written once by scripts/run.py; it is yours to change. .env.example lists every "
        f"setting.\n# {choice.reason}\nMONGO_URL={choice.mongo_url}\n"
    )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def prepare(env_file: Path, *, chosen_already: bool) -> str:
    """Make sure that a database is chosen; give a sentence for people, or nothing."""
    if chosen_already or env_file.exists():
        return ""
    choice = choose_database()
    return f"Wrote {env_file}. {choice.reason}" if write_env(env_file, choice) else ""


def main() -> int:
    note = prepare(ROOT / ".env", chosen_already="MONGO_URL" in os.environ)
    try:
        settings = Settings.load()
    except SettingsError as error:
        print(f"StoryCanvas cannot start: {error}", file=sys.stderr)
        return 1
    told = {
        "host": settings.backend_host,
        "port": settings.backend_port,
        "database": settings.mongo_url.partition(":")[0],
        "api_key": settings.api_keys[0].get_secret_value() if settings.api_keys else None,
        "note": note,
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
