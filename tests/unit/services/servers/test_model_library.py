"""The models of all servers: each once, who has it, and how a page of them is found."""

import asyncio
import time
from dataclasses import dataclass, field, replace

import pytest
from pydantic import TypeAdapter

from backend.api.streams.models_json import models_json
from backend.dtos.models_dto import LibraryModelDTO
from backend.models.comfyui_server import ComfyUIServer
from backend.models.model_file import ModelFileType
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.servers.fleet import ServerState
from backend.services.servers.model_library import ListedModel, ModelLibrary, ModelQuery
from backend.utils.clock import utc_now
from backend.utils.errors import UnprocessableError
from tests.unit.services.comfyui.catalogs import catalog

XL, SD = "sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly-fp16.safetensors"
LISTS = {
    "checkpoints": ("CheckpointLoaderSimple", "ckpt_name"),
    "loras": ("LoraLoader", "lora_name"),
}


def having(**files: list[str]) -> ServerCatalog:
    """A catalog of these and nothing else."""
    return ServerCatalog(options={LISTS[kind]: tuple(names) for kind, names in files.items()})


@dataclass
class Servers:
    states: list[ServerState] = field(default_factory=list)

    def add(self, name: str, known: ServerCatalog | None, *, online: bool = True) -> None:
        now = utc_now()
        server = ComfyUIServer(
            id=f"id-{name}", name=name, url=f"http://{name}", created_at=now, updated_at=now
        )
        self.states.append(ServerState(server, online=online, catalog=known))


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def library(servers: Servers) -> ModelLibrary:
    return ModelLibrary(servers)


async def listed(library: ModelLibrary, query: ModelQuery | None = None) -> list[ListedModel]:
    found, total = await library.page(query or ModelQuery(), skip=0, limit=500)
    assert len(found) == total
    return found


async def names(library: ModelLibrary, query: ModelQuery | None = None) -> list[str]:
    return [model.name for model in await listed(library, query)]


async def test_without_servers_there_is_nothing(library: ModelLibrary) -> None:
    assert await listed(library) == []


async def test_each_file_once_with_those_who_have_it(
    servers: Servers, library: ModelLibrary
) -> None:
    shared = having(checkpoints=[XL])
    servers.add("b", shared)
    servers.add("a", shared)
    servers.add("gone", having(checkpoints=[XL, SD]), online=False)
    servers.add("new", None)
    first, second = await listed(library)
    assert (first.name, first.family, first.kind) == (XL, "sdxl", ModelFileType.CHECKPOINT)
    assert first.servers == [
        {"id": "id-a", "name": "a", "is_online": True},
        {"id": "id-b", "name": "b", "is_online": True},
        {"id": "id-gone", "name": "gone", "is_online": False},
    ]
    assert (second.name, second.family) == (SD, "sd15")
    assert second.servers == [{"id": "id-gone", "name": "gone", "is_online": False}]


async def test_kinds_come_in_order_and_tell_their_families(
    servers: Servers, library: ModelLibrary
) -> None:
    servers.add(
        "a",
        catalog(
            checkpoints=[XL, "mystery.safetensors"],
            unets=["wan2.1_t2v_1.3B_fp16.safetensors"],
            loras=["Pony/ink.safetensors", "b_flux.safetensors"],
            vaes=["ae.safetensors"],
            text_encoders=["clip_l.safetensors"],
        ),
    )
    found = [(model.kind.value, model.name, model.family) for model in await listed(library)]
    assert found == [
        ("checkpoint", "mystery.safetensors", "unknown"),
        ("checkpoint", XL, "sdxl"),
        ("diffusion_model", "wan2.1_t2v_1.3B_fp16.safetensors", "wan_2_1"),
        ("lora", "Pony/ink.safetensors", "pony"),
        ("lora", "b_flux.safetensors", "flux_dev"),
        ("vae", "ae.safetensors", "flux_dev"),
        ("text_encoder", "clip_l.safetensors", "unknown"),
    ]


async def test_files_of_every_kind_that_a_catalog_lists(
    servers: Servers, library: ModelLibrary
) -> None:
    lists = {
        ("UnetLoaderGGUF", "unet_name"): ("flux1-dev-Q4_0.gguf",),
        ("CLIPLoaderGGUF", "clip_name"): ("t5-v1_1-xxl-encoder-Q8_0.gguf",),
        ("CLIPVisionLoader", "clip_name"): ("clip_vision_h.safetensors",),
        ("StyleModelLoader", "style_model_name"): ("flux1-redux-dev.safetensors",),
        ("ControlNetLoader", "control_net_name"): ("openpose.safetensors",),
        ("UpscaleModelLoader", "model_name"): ("4x-UltraSharp.pth",),
    }
    servers.add("a", ServerCatalog(options=lists))
    found = {model.kind: model.name for model in await listed(library)}
    assert found == {
        ModelFileType.DIFFUSION_MODEL: "flux1-dev-Q4_0.gguf",
        ModelFileType.TEXT_ENCODER: "t5-v1_1-xxl-encoder-Q8_0.gguf",
        ModelFileType.CLIP_VISION: "clip_vision_h.safetensors",
        ModelFileType.STYLE_MODEL: "flux1-redux-dev.safetensors",
        ModelFileType.CONTROLNET: "openpose.safetensors",
        ModelFileType.UPSCALE_MODEL: "4x-UltraSharp.pth",
    }


async def test_a_path_is_the_same_on_windows(servers: Servers, library: ModelLibrary) -> None:
    servers.add("linux", having(loras=["a/both.sft"]))
    servers.add("windows", having(loras=["a\\both.sft", "a\\alone.sft"]))
    alone, both = await listed(library)
    assert (alone.name, len(alone.servers)) == ("a\\alone.sft", 1)
    assert (both.name, len(both.servers)) == ("a/both.sft", 2)
    assert await names(library, ModelQuery(search="a/alone")) == ["a\\alone.sft"]
    assert await names(library, ModelQuery(search="A\\Both")) == ["a/both.sft"]


async def test_what_is_looked_for(servers: Servers, library: ModelLibrary) -> None:
    loras = ["people/Mara_sdxl.safetensors", "people/noor.safetensors"]
    servers.add("on", having(checkpoints=[XL], loras=loras[:1]))
    servers.add("off", having(checkpoints=[SD], loras=loras), online=False)
    lora = ModelFileType.LORA
    for query, wanted in (
        (ModelQuery(search="MARA"), loras[:1]),
        (ModelQuery(search=" people/ "), loras),
        (ModelQuery(search="nobody"), []),
        (ModelQuery(kind=lora), loras),
        (ModelQuery(kind=ModelFileType.VAE), []),
        (ModelQuery(family="sdxl"), [XL, loras[0]]),
        (ModelQuery(family="unknown"), [loras[1]]),
        (ModelQuery(family="sdxl", kind=lora), loras[:1]),
        (ModelQuery(is_active=True), [XL, loras[0]]),
        (ModelQuery(is_active=False), [SD, loras[1]]),
    ):
        assert await names(library, query) == wanted, query


async def test_a_family_that_nobody_knows(library: ModelLibrary) -> None:
    with pytest.raises(UnprocessableError, match="'SDXL' is none of the families") as caught:
        await library.page(ModelQuery(family="SDXL"), skip=0, limit=1)
    assert caught.value.code == "FAMILY_UNKNOWN"
    assert {"sdxl", "wan_2_2", "unknown"} <= set(caught.value.details["families"])


async def test_pages_go_on_across_kinds(servers: Servers, library: ModelLibrary) -> None:
    loras = [f"{letter}.safetensors" for letter in "abcde"]
    servers.add("a", having(checkpoints=[XL, SD], loras=loras))
    everything = await listed(library)
    for limit in (1, 3, 7):
        pages = [
            await library.page(ModelQuery(), skip=skip, limit=limit) for skip in range(0, 9, limit)
        ]
        assert {total for _, total in pages} == {7}
        assert [model for found, _ in pages for model in found] == everything


async def test_what_changes_is_seen(servers: Servers, library: ModelLibrary) -> None:
    servers.add("a", having(loras=["old.safetensors", "stays.safetensors"]))
    before = await listed(library)
    fresh = having(loras=["new.safetensors", "stays.safetensors"])
    servers.states[0] = replace(servers.states[0], catalog=fresh)
    after = await listed(library)
    assert [model.name for model in after] == ["new.safetensors", "stays.safetensors"]
    assert after[1].id == before[1].id != after[0].id
    servers.states[0] = replace(servers.states[0], online=False)
    (owner,) = (await listed(library))[0].servers
    assert owner["is_online"] is False
    servers.states.clear()
    assert await listed(library) == []


async def test_two_hundred_servers_with_ten_thousand_names_hold_up_nobody(
    servers: Servers, library: ModelLibrary
) -> None:
    """The work takes many times longer than anybody had to wait for a turn."""
    files = [f"people/somebody_{number:05}.safetensors" for number in range(10_000)]
    for number in range(200):
        # A set of their own, as servers have that differ by a file.
        loras = (*files, f"{number}.safetensors")
        servers.add(f"s{number}", ServerCatalog(options={("LoraLoader", "lora_name"): loras}))
    longest, began = 0.0, time.perf_counter()
    asked = asyncio.create_task(library.page(ModelQuery(), skip=0, limit=500))
    while not asked.done():
        turn = time.perf_counter()
        await asyncio.sleep(0)
        longest = max(longest, time.perf_counter() - turn)
    found, total = await asked
    taken = time.perf_counter() - began
    assert (len(found), total) == (500, 10_200)
    assert longest < taken / 4
    answer = await models_json(found, total)
    rows = TypeAdapter(list[LibraryModelDTO]).validate_json(bytes(answer.body))
    assert [len(row.servers) for row in rows].count(1) == 200
    again = time.perf_counter()
    await library.page(ModelQuery(), skip=0, limit=500)
    assert time.perf_counter() - again < taken
