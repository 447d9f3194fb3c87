"""Faults on demand: what goes wrong, how, and how many times."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """Each name is one fault; its value, where it has one, is described beside it."""

    #: The server dies mid-job. Value: how far into the sampler's steps, 0 to 1.
    DIE = "die"
    #: The job stops mid-way until the fault is cleared, deaf to /interrupt. Value: seconds at most.
    HANG = "hang"
    #: New sockets are accepted and go silent; open ones too. Value: frames sent before (1: status).
    SILENT_WEBSOCKET = "silent_websocket"
    #: When a job ends, history and pending jobs are forgotten, that job included.
    LOSE_HISTORY = "lose_history"
    #: POST /prompt answers 400. Value: the body.
    REJECT = "reject"
    #: The job ends in torch.OutOfMemoryError.
    OUT_OF_MEMORY = "out_of_memory"
    #: The job ends in a RuntimeError. Value: its message.
    EXECUTION_ERROR = "execution_error"
    #: POST /prompt answers 500 and queues nothing.
    PROMPT_500 = "prompt_500"
    #: GET /history and /history/{id} answer 500.
    HISTORY_500 = "history_500"
    #: GET /object_info answers 500, as with a broken custom node.
    CATALOG_500 = "catalog_500"
    #: /view is slow. Value: bytes a second.
    SLOW_DOWNLOAD = "slow_download"
    #: /view promises the whole file and hangs up early. Value: the part that is sent, 0 to 1.
    TRUNCATED_DOWNLOAD = "truncated_download"
    #: /view sends the right bytes under a wrong type. Value: the type.
    WRONG_CONTENT_TYPE = "wrong_content_type"
    #: /view sends as many bytes as the file has, none of them right.
    GARBAGE_DOWNLOAD = "garbage_download"
    #: POST /prompt queues the job and answers late. Value: seconds.
    DELAYED_ANSWER = "delayed_answer"
    #: POST /prompt queues the job and hangs up without an answer.
    DROPPED_ANSWER = "dropped_answer"
    #: GET /object_info answers late, as with thousands of custom nodes. Value: seconds.
    SLOW_CATALOG = "slow_catalog"
    #: Sampler steps and model loads take longer. Value: the factor.
    SLOW = "slow"


#: What a fault's value is when none is given.
DEFAULTS: Mapping[Fault, Any] = {
    Fault.DIE: 0.5,
    Fault.SILENT_WEBSOCKET: 1,
    Fault.EXECUTION_ERROR: "simulated execution error",
    Fault.SLOW_DOWNLOAD: 10_000,
    Fault.TRUNCATED_DOWNLOAD: 0.5,
    Fault.WRONG_CONTENT_TYPE: "text/html",
    Fault.DELAYED_ANSWER: 1.0,
    Fault.SLOW_CATALOG: 5.0,
    Fault.SLOW: 10.0,
}


class UnknownFaultError(ValueError):
    """The message lists the names there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no fault {name!r}; there are: {', '.join(sorted(Fault))}")


@dataclass
class Setting:
    """One fault that is switched on. `times` None: until it is cleared."""

    value: Any = None
    times: int | None = None
    hits: int = 0
    #: Set when the fault is cleared or replaced; a hung job waits for it.
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class FaultBook:
    """The faults of one server. They outlive its death, so `die` once means once."""

    def __init__(self, faults: Mapping[str, Any] | None = None) -> None:
        self._settings: dict[Fault, Setting] = {}
        self.replace(faults or {})

    def replace(self, faults: Mapping[str, Any]) -> None:
        """Take a whole new set; nothing changes when one name is unknown (UnknownFaultError)."""
        fresh = {known(name): read(name, spec) for name, spec in faults.items()}
        for setting in self._settings.values():
            setting.released.set()
        self._settings = fresh

    def set(self, name: str, value: Any = None, *, times: int | None = None) -> None:
        fresh = read(name, {"value": value, "times": times})
        self.clear(name)
        self._settings[known(name)] = fresh

    def clear(self, name: str) -> None:
        setting = self._settings.pop(known(name), None)
        if setting is not None:
            setting.released.set()

    def active(self, fault: Fault) -> Setting | None:
        """The setting, when there is one that is not used up. It stays unused."""
        setting = self._settings.get(fault)
        return None if setting is None or setting.spent else setting

    def take(self, fault: Fault) -> Setting | None:
        """As active(), and count one use."""
        setting = self.active(fault)
        if setting is not None:
            setting.hits += 1
        return setting

    def as_json(self) -> dict[str, Any]:
        return {
            name.value: {"value": setting.value, "times": setting.times, "hits": setting.hits}
            for name, setting in self._settings.items()
        }


def known(name: str) -> Fault:
    try:
        return Fault(name)
    except ValueError:
        raise UnknownFaultError(name) from None


def read(name: str, spec: Any) -> Setting:
    """True → the default value; {"value": …, "times": n} → both; anything else → the value."""
    fault = known(name)
    times = 1 if fault is Fault.DIE else None
    value = None if spec is True else spec
    if isinstance(spec, dict) and spec.keys() <= {"value", "times"}:
        value, times = spec.get("value"), spec.get("times") or times
    return Setting(DEFAULTS.get(fault) if value is None else value, times)


def from_text(text: str) -> tuple[str, dict[str, Any]]:
    """Read `NAME[=VALUE][@TIMES]` as the command line gives it."""
    rest, _, times = text.partition("@")
    name, _, value = rest.partition("=")
    return name, {"value": number(value), "times": int(times) if times else None}


def number(text: str) -> Any:
    if not text:
        return None
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text
