"""The rendering process: tasks on its standard input, answers on its output, a line each.

A process of its own, so that it can be killed in the middle of a file, gives way to everything
else, and takes its memory with it. It ends when its input does: also when the server was killed.

Answers: {"progress": 0.5}, as often as it likes, then {"done": true} with what was asked for,
{"broken": "why"} or {"full": "why"}. On anything unforeseen it ends with a traceback.
"""

import contextlib
import errno
import json
import os
import queue
import sys
import threading
from pathlib import Path

from backend.models.content import ContentType
from backend.services.exports.formats import placeholder
from backend.services.exports.rendering import animatic, conform
from backend.services.exports.rendering.tasks import (
    Animatic,
    CheckSound,
    CheckStill,
    Conform,
    DrawCard,
    ProbeVideo,
    Task,
    from_line,
)
from backend.services.exports.rendering.writing import flush_to_disk
from backend.services.media.audio_probe import probe_audio
from backend.services.media.media_probe import BrokenMediaError, probe
from backend.utils.errors import UnsupportedMediaError

_GIVE_WAY = 10
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def main() -> int:
    """Work until the input ends."""
    if hasattr(os, "nice"):
        os.nice(_GIVE_WAY)
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    idle = threading.Event()
    idle.set()
    threading.Thread(target=_listen, args=(tasks, idle), daemon=True).start()
    while line := tasks.get():
        with contextlib.suppress(BrokenPipeError):
            _say(answer(from_line(line)))
        idle.set()
    return 0


def answer(task: Task) -> dict[str, object]:
    """Do it, and tell how it went."""
    try:
        facts = perform(task)
    except BrokenMediaError as error:
        return {"broken": str(error)}
    except OSError as error:
        if error.errno in _DISK_FULL:
            return {"full": "There is no room left on the disk."}
        if error.errno is None:
            raise
        return {"broken": f"it can't be read: {error.strerror}"}
    return {"done": True, **facts}


def perform(task: Task) -> dict[str, int]:
    """Do it, and give what it was to find out."""
    match task:
        case ProbeVideo():
            return conform.look(Path(task.source))
        case Animatic():
            animatic.render(task, lambda part: _say({"progress": round(part, 4)}))
        case Conform():
            conform.conform(task)
        case DrawCard():
            target = Path(task.target)
            target.write_bytes(placeholder.draw(task.label, size=task.size))
            flush_to_disk(target)
        case CheckStill():
            if probe(Path(task.source)).content_type is not ContentType.IMAGE:
                raise BrokenMediaError("it is no still picture")
        case CheckSound():
            _check_sound(Path(task.source))
    return {}


def _check_sound(source: Path) -> None:
    try:
        probe_audio(source)
    except UnsupportedMediaError as error:
        raise BrokenMediaError(error.message) from error


def _listen(tasks: "queue.SimpleQueue[bytes]", idle: threading.Event) -> None:
    """Nobody waits for a task any more once the input has ended: leave it where it is."""
    for line in sys.stdin.buffer:
        idle.clear()
        tasks.put(line)
    if not idle.is_set():
        os._exit(1)
    tasks.put(b"")


def _say(words: dict[str, object]) -> None:
    sys.stdout.buffer.write(json.dumps(words).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
