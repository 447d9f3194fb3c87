"""Who listens where: free ports, a StoryCanvas, a ComfyUI. Loopback only, never by a proxy."""

import http.client
import json
import os
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

_PATIENCE = 3.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def port_problem(host: str, port: int) -> str | None:
    """None when a server could listen there, else the system's words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":  # what a server that just ended left behind is no obstacle
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def local_url(host: str, port: int) -> str:
    """The address at which this machine reaches a server that listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def get_json(url: str) -> Any:
    """The JSON of an answer of whatever status; None when there is no answer or it is no JSON."""
    try:
        with _DIRECT.open(url, timeout=_PATIENCE) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return _loads(error.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None


def is_storycanvas(base_url: str) -> bool:
    told = get_json(f"{base_url}/api/v1/")
    return isinstance(told, dict) and told.get("message") == "StoryCanvas API"


def is_comfyui(base_url: str) -> bool:
    told = get_json(f"{base_url}/system_stats")
    return isinstance(told, dict) and isinstance(told.get("system"), dict)


def is_simulator(base_url: str) -> bool:
    """Whether this ComfyUI is ours, which only draws labelled placeholders."""
    return isinstance(get_json(f"{base_url}/simulator/stats"), dict)


def is_this_machine(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def _loads(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
