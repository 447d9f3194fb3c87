"""The guide's pages, run as they stand: their commands work, and say what the pages promise."""

import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import ROOT
from backend.utils.clock import utc_now
from tests.documents import blocks, paste
from tests.export.fcpxml_reader import check
from tests.openai_gateway import KEY, Gateway
from tests.runpod_server import ENDPOINT, RunPodServer
from tests.runpod_server import KEY as RUNPOD_KEY
from tests.studio import ServerProcess, free_port, server_process, talking_to
from tests.waiting import until

GUIDE = ROOT / "docs" / "guide"
PAGES = {path.stem: path.read_text("utf-8") for path in GUIDE.glob("*.md")}
FUNCTIONS = blocks(PAGES["README"], "bash")[0]

#: Twice the music of the page, which nginx lets through and the server refuses.
TOO_LARGE = """
cat long.wav long.wav > longer.wav
curl -sS "$API/media/projects/$PROJECT/upload-music" -F file=@longer.wav \\
  -H "Authorization: Bearer $KEY" | pick '["error"]["code"]'
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Desk:
    """A server with a ComfyUI, and two more that it does not know yet."""

    url: str
    folder: Path
    places: Mapping[str, object]

    async def run(self, page: str) -> str:
        script = "\n".join([FUNCTIONS, *blocks(PAGES[page], "bash")])
        return await paste(script, self.folder, self.places)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("guide")
    only_small = {"checkpoints": ("v1-5-pruned-emaonly-fp16.safetensors",), "diffusion_models": ()}
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway())
        runpod = await stack.enter_async_context(RunPodServer())
        first, big, small = [
            await stack.enter_async_context(Simulator(SimulatorOptions(models=models)))
            for models in ({}, {}, only_small)
        ]
        settings = {
            "openai_api_key": KEY, "openai_base_url": gateway.url, "webhook_private_hosts": True,
        }  # fmt: skip
        server = stack.enter_context(
            server_process(folder, mongo_url="memory:", openai_poll_seconds=0.05, **settings)
        )
        server.start()
        await server.ready()
        async with talking_to(server) as studio:
            await studio.server(first, "Demo")
        places = {
            "BASE": server.url,
            "GPU_A": big.url,
            "GPU_B": small.url,
            "RUNPOD": runpod.url,
            "ENDPOINT": ENDPOINT,
            "RUNPOD_KEY": RUNPOD_KEY,
        }
        yield Desk(server.url, folder, places)


async def test_plan_a_film(desk: Desk) -> None:
    told = (await desk.run("plan")).splitlines()
    assert told[0] == "12.0"
    assert "gap of 1.0 s before Close: the key" in told
    assert "Wide: the door rises (alternate 1)" in told
    assert told[-4:] == [
        "Night Drive 12.0 s",
        "Verse 1: the garage | 0.0 | Wide: the door rises",
        "Verse 1: the garage | 4.0 | Close: the key",
        "Chorus: the city | 0.0 | Wide: wet street",
    ]


async def test_generate_a_batch(desk: Desk) -> None:
    told = (await desk.run("batch")).splitlines()
    assert "completed 4 of 4 failed: 0" in told
    assert sum("completed http://" in line and "/uploads/" in line for line in told) == 4


async def test_keep_a_character(desk: Desk) -> None:
    bare = "a woman at the wheel of an old car, night"
    assert (await desk.run("character")).splitlines() == [
        f"ohwx woman, red scarf, {bare}, freckles",
        "ohwx woman, red scarf, portrait, soft light, freckles",
        "ohwx woman, red scarf, the driver, early thirties, freckles",
        "None",
        "seed 7 True",
        "seed other False",
        f"ohwx woman, red scarf, {bare}, freckles",
        "8 steps, ['example_character.safetensors']",
        "['input_reference_url']",
        "[]",
        f"ohwx woman, green coat, {bare}, freckles",
        bare,
    ]


async def test_use_a_workflow_of_your_own(desk: Desk) -> None:
    told = (await desk.run("workflows")).splitlines()
    assert told[:4] == [
        "5 width gets width", "5 height gets height", "6 text gets prompt", "3 seed gets seed",
    ]  # fmt: skip
    assert told[4:] == ["768 432 7", "2"]


async def test_several_servers(desk: Desk) -> None:
    told = (await desk.run("servers")).splitlines()
    assert "sd15 yes []" in told
    assert any(line.startswith("wan_2_1 no [") for line in told)
    assert told.count("completed") == 2
    reasons = [line for line in told if "Small" in line or "Big" in line or "Demo" in line]
    assert "Small" not in reasons[0]
    assert "Small" in reasons[1]
    assert "Small may be switched off" in told
    assert told[-2:] == ["The result was taken.", "Laptop"]


async def test_hand_over_to_each_editor(desk: Desk) -> None:
    told = (await desk.run("editors")).splitlines()
    assert told[:4] == ["[]"] * 4
    [cut] = desk.folder.glob("tmp.*/final-cut")
    document = check(next(cut.glob("*.fcpxml")).read_bytes())
    media = {path.name for path in (cut / "media").iterdir()}
    assert len(document.assets) == len(media) == 2
    edl = next(cut.parent.glob("edl/*.edl")).read_text("ascii")
    assert set(re.findall(r"FROM CLIP NAME: (.+?)\r?$", edl, re.MULTILINE)) == media
    assert all(name in next(cut.parent.glob("premiere/*.xml")).read_text() for name in media)
    assert told[4:7] == ["True", "[]", "[]"]
    assert all(list(cut.parent.glob(f"{name}/media/*.png")) for name in ("resolve", "program"))


async def test_rent_by_the_second(desk: Desk) -> None:
    told = (await desk.run("runpod")).splitlines()
    assert told[:2] == ["online [2]", "completed"]
    assert told[2].startswith("The result is in the gallery. It ran 1.5 s")
    assert told[3] == "removed"


async def test_video_from_a_provider(desk: Desk) -> None:
    told = (await desk.run("provider")).splitlines()
    assert told[:4] == ["list", "completed", "OpenAI-compatible provider",
                        "Video deleted at the provider."]  # fmt: skip
    assert told[4].endswith(".mp4")


async def test_watch_in_a_browser(desk: Desk) -> None:
    told = (await desk.run("live")).splitlines()
    assert re.fullmatch(r"\d+ of \d+ servers? online", told[0])
    assert int(told[1]) >= 1
    assert told[2].startswith("[")


async def test_hear_what_happens(desk: Desk) -> None:
    told = (await desk.run("events")).splitlines()
    kinds = ("job.queued", "job.started", "job.completed", "content.added")
    assert told[:4] == [f'"type": "{kind}"' for kind in kinds]
    assert told[4:8] == ["2", "delivered", "signed ping", "signed job.completed"]
    assert told[8].startswith("job.completed tries: ")


async def test_back_up_and_restore(tmp_path: Path) -> None:
    """What was there before is there afterwards, whatever happened in between."""
    save, restore, prove = blocks(PAGES["backup"], "bash")
    with server_process(tmp_path, mongo_url=f"embedded:{tmp_path / 'data' / 'db'}") as server:
        places: dict[str, object] = {"BASE": server.url}
        server.start()
        await server.ready()
        async with Simulator() as simulator, talking_to(server) as studio:
            await studio.server(simulator)
            await studio.finished(await studio.job(await studio.clip()))
            character = await studio.post("/characters", {"name": "Mara"})
            portrait = f"/characters/{character['id']}/generate"
            await studio.post(portrait, {"prompt": "portrait", "params": {"steps": 2}}, 200)
        server.terminate()
        assert int((await paste(save, tmp_path, places)).strip()) > 5
        shutil.rmtree(tmp_path / "data")
        shutil.rmtree(tmp_path / "uploads")
        await paste(restore, tmp_path, places)
        server.start()
        await server.ready()
        assert await paste(f"{FUNCTIONS}\n{prove}", tmp_path, places) == "there: 4, missing: 0\n"


async def test_serve_a_web_client(tmp_path: Path) -> None:
    build, *look = blocks(PAGES["client"], "bash")
    await paste(build, tmp_path, {})
    folder = tmp_path / "client"
    with server_process(tmp_path, mongo_url="memory:", frontend_dir=folder) as server:
        server.start()
        await server.ready()
        script = "\n".join([FUNCTIONS, *look])
        told = (await paste(script, tmp_path, {"BASE": server.url})).splitlines()
    assert told == [
        "the client: 200 text/html; charset=utf-8",
        "an address of its own: 200 text/html; charset=utf-8",
        "its script: 200 text/javascript; charset=utf-8",
        "the script of an older build: 404",
        "access-control-allow-origin: *",
    ]


async def test_behind_nginx(tmp_path: Path) -> None:
    """Through nginx itself where it is installed, else straight to the server."""
    [config] = blocks(PAGES["nginx"], "nginx")
    key, *rest = blocks(PAGES["nginx"], "bash")
    secret = (await paste(key, tmp_path, {})).strip().removeprefix("API_KEYS=")
    assert len(secret) > 40
    said = dict(line.split("=") for line in blocks(PAGES["nginx"], "sh")[0].splitlines())
    assert said == {"TRUSTED_PROXIES": "127.0.0.1", "PUBLIC_URL": "https://story.example"}
    # Without PUBLIC_URL, which no machine here answers to, what nginx passes on has to do.
    settings = {
        "mongo_url": "memory:", "api_keys": secret, "max_music_size_mb": 4,
        "trusted_proxies": said["TRUSTED_PROXIES"],
    }  # fmt: skip
    with server_process(tmp_path, **settings) as server:
        server.start()
        await server.ready()
        with in_front_of(server, config, tmp_path) as places:
            script = "\n".join([FUNCTIONS, *rest, TOO_LARGE])
            told = (await paste(script, tmp_path, {**places, "KEY": secret})).splitlines()
    assert told[:4] == ["without a key: 401", "0", "healthy", "a part: 206, 100 bytes"]
    assert told[4] == "PAYLOAD_TOO_LARGE"


@contextmanager
def in_front_of(server: ServerProcess, config: str, folder: Path) -> Iterator[Mapping[str, object]]:
    """Give where to call: nginx with that configuration, but for ports and certificate."""
    program = shutil.which("nginx")
    if program is None:
        assert config.count("{") == config.count("}") > 2
        yield {"BASE": server.url}
        return
    port, plain = free_port(), free_port()
    certificate, key = write_certificate(folder)
    for said, meant in (
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("127.0.0.1:8001", f"127.0.0.1:{server.port}"),
        ("/etc/letsencrypt/live/story.example/fullchain.pem", str(certificate)),
        ("/etc/letsencrypt/live/story.example/privkey.pem", str(key)),
    ):
        assert said in config
        config = config.replace(said, meant)
    whole = folder / "nginx.conf"
    whole.write_text(nginx_conf(folder, config), "utf-8")
    command = [program, "-p", str(folder), "-e", "nginx.log", "-c", str(whole)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr
    nginx = subprocess.Popen([*command, "-g", "daemon off;"])
    try:
        until_open(plain)
        moved = httpx.get(f"http://127.0.0.1:{plain}/docs", headers={"Host": "story.example"})
        assert (moved.status_code, moved.headers["location"]) == (301, "https://story.example/docs")
        yield {"BASE": f"https://localhost:{port}", "CURL_CA_BUNDLE": certificate}
    finally:
        nginx.terminate()
        nginx.wait(10)


def until_open(port: int) -> None:
    def is_open() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(is_open, 10, otherwise="nginx does not listen")


def nginx_conf(folder: Path, servers: str) -> str:
    """What Debian's own nginx.conf has around a site, with every path in the folder."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    main = f"pid {folder}/nginx.pid;\nworker_processes 1;\nevents {{}}\n"
    return f"{main}http {{\naccess_log off;\n{temporary}{servers}}}\n"


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody else signed, and its key."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = utc_now()
    signed = (
        x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate, key = folder / "fullchain.pem", folder / "privkey.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, key
