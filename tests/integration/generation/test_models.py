"""The models of all servers; model families and their presets, as they are configured."""

from typing import Any

import httpx
from pydantic import TypeAdapter

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.dtos.models_dto import LibraryModelDTO
from backend.services.families import FAMILIES
from backend.services.families.base import ModelFamily
from backend.services.workflows.intent import sample_request
from tests.conftest import API, Maker

XL = "sd_xl_base_1.0.safetensors"
PRESET = {
    "id", "name", "description", "steps", "cfg", "cfg_scale", "sampler", "scheduler", "width",
    "height", "video_fps", "video_frames", "additional_params", "is_default",
}  # fmt: skip
PARAMETERS = PRESET - {"id", "name", "description", "additional_params", "is_default"}


async def read(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    response = await client.get(f"{API}/models/{path}")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_the_models_of_all_servers(client: httpx.AsyncClient) -> None:
    first = SimulatorOptions(models={"loras": ("Flux.1 D/mara.sft",), "checkpoints": (XL,)})
    async with Simulator(first) as one, Simulator(SimulatorOptions()) as two:
        for name, simulator in (("One", one), ("Two", two)):
            body = {"name": name, "url": simulator.url}
            await client.post(f"{API}/comfyui/servers", json=body)
        response = await client.get(f"{API}/models")
        rows = TypeAdapter(list[LibraryModelDTO]).validate_json(response.content)
        assert response.headers["X-Total-Count"] == str(len(rows))
        assert rows[0].name == XL
        assert [server.name for server in rows[0].servers] == ["One", "Two"]
        kinds = {row.type.value for row in rows}
        assert {"checkpoint", "diffusion_model", "lora", "vae", "text_encoder"} <= kinds
        assert all(row.is_active and row.is_available for row in rows)
        query = "search=MARA&type=lora&family=flux_dev&is_active=true"
        (found,) = (await client.get(f"{API}/models?{query}")).json()
        assert (found["name"], found["server_source"]) == ("Flux.1 D/mara.sft", "One")
        page = await client.get(f"{API}/models?skip=1&limit=2")
        assert [row["id"] for row in page.json()] == [row.id for row in rows[1:3]]
        assert page.headers["X-Total-Count"] == str(len(rows))
    assert (await client.get(f"{API}/models?search=nobody")).json() == []


async def test_a_list_of_models_that_cannot_be(client: httpx.AsyncClient) -> None:
    for query in ("type=sound", "limit=0", "limit=501", "skip=-1", "is_active=perhaps"):
        assert (await client.get(f"{API}/models?{query}")).status_code == 422, query
    response = await client.get(f"{API}/models?family=moon")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "FAMILY_UNKNOWN")


async def test_types_are_the_families(client: httpx.AsyncClient) -> None:
    types = (await read(client, "types"))["types"]
    assert [one["id"] for one in types] == [family.id for family in FAMILIES]
    for one, family in zip(types, FAMILIES, strict=True):
        assert set(one) == {
            "id", "name", "generation_types", "kinds", "folder", "presets", "default_preset",
            "sizes", "size_multiple", "frame_step", "default_fps", "lora_rule", "negative_prompt",
            "max_references", "vram_gb", "vram_class", "variants", "hint",
        }  # fmt: skip
        assert one["generation_types"] == sorted(family.makes)
        assert set(one["kinds"]) >= family.kinds
        assert one["variants"][0] == family.id
        assert one["default_preset"] in one["presets"]


async def test_presets_say_what_is_configured(client: httpx.AsyncClient) -> None:
    for family in FAMILIES:
        await assert_presets_of(client, family)


async def assert_presets_of(client: httpx.AsyncClient, family: ModelFamily) -> None:
    answer = await read(client, f"presets/{family.id}")
    assert (answer["model_name"], answer["base_model"]) == (family.id, family.id)
    assert set(answer["presets"]) >= {"fast", "quality"}
    for name, preset in answer["presets"].items():
        configured = family.presets[name]
        assert set(preset) == PRESET
        assert (preset["id"], preset["name"]) == (f"{family.id}_{name}", name.capitalize())
        assert preset["cfg"] == preset["cfg_scale"] == configured.cfg
        assert (preset["steps"], preset["sampler"]) == (configured.steps, configured.sampler)
        assert (preset["width"], preset["height"]) == (family.default_width, family.default_height)
        assert preset["video_frames"] == configured.frames
        assert preset["is_default"] == (name == family.default_preset)
        assert str(configured.steps) in preset["description"]
    assert sum(preset["is_default"] for preset in answer["presets"].values()) == 1


async def test_parameters_and_defaults_agree_with_the_presets(client: httpx.AsyncClient) -> None:
    for family in FAMILIES:
        await assert_settings_of(client, family)


async def assert_settings_of(client: httpx.AsyncClient, family: ModelFamily) -> None:
    presets = (await read(client, f"presets/{family.id}"))["presets"]
    for query, name in (
        ("", family.default_preset), ("?preset=fast", "fast"), ("?preset=quality", "quality"),
    ):  # fmt: skip
        answer = await read(client, f"parameters/{family.id}{query}")
        assert set(answer) == {"model_name", "model_type", "preset", "parameters"}
        assert (answer["model_type"], answer["preset"]) == (family.id, name)
        assert answer["parameters"] == {field: presets[name][field] for field in PARAMETERS}
    defaults = await read(client, f"defaults/{family.id}")
    plain = await read(client, f"parameters/{family.id}")
    assert defaults == {**plain, "defaults": plain["parameters"]}


async def test_parameters_are_what_a_generation_takes(
    client: httpx.AsyncClient, make_clip: Maker
) -> None:
    clip = await make_clip()
    for family in FAMILIES:
        params = (await read(client, f"parameters/{family.id}"))["parameters"]
        sample = sample_request(family, family.official_model)
        pictures = {"init_image": sample.init_image} if sample.init_image else {}
        body = {
            "clip_id": clip["id"],
            "prompt": "a",
            "model": family.official_model,
            "generation_type": sample.kind,
            "params": {**params, **pictures},
        }
        job = (await client.post(f"{API}/queue/jobs", json=body)).json()
        kept = (await client.get(f"{API}/queue/jobs/{job['job_id']}")).json()
        assert set(kept["ignored_params"]) <= {"cfg_scale"}  # the same as cfg, which is taken
        assert kept["params"]["steps"] == params["steps"]
        assert kept["params"]["cfg"] == params["cfg"]


async def test_files_are_known_by_their_names(client: httpx.AsyncClient) -> None:
    fields = {"presets": "base_model", "parameters": "model_type", "defaults": "model_type"}
    for name, family in (
        ("SDXL", "sdxl"), ("sd_xl_base_1.0.safetensors", "sdxl"), ("a%2Fb%2Fpony_v6", "pony"),
        ("people/sd_xl_base_1.0.safetensors", "sdxl"), ("v1-5-pruned-emaonly.ckpt", "sd15"),
        ("wan2.1_t2v_1.3B_fp16.safetensors", "wan_2_1"), ("svd_xt.safetensors", "svd"),
        ("wan_2_2_5b", "wan_2_2"),
    ):  # fmt: skip
        for path, field in fields.items():
            answer = await read(client, f"{path}/{name}")
            assert answer[field] == family
            assert answer["model_name"] == name.replace("%2F", "/")


async def test_an_unknown_name_lists_the_families(client: httpx.AsyncClient) -> None:
    for path in ("presets", "parameters", "defaults"):
        for name in ("moon", "sd_xl_refiner_1.0.safetensors", "a/b", "x..", "%20"):
            response = await client.get(f"{API}/models/{path}/{name}")
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (404, "MODEL_UNKNOWN"), name
            assert error["details"]["families"] == [family.id for family in FAMILIES]


async def test_bad_requests(client: httpx.AsyncClient) -> None:
    for path in ("parameters/sdxl?preset=best", "parameters/sdxl?preset=", "presets/" + "x" * 501):
        assert (await client.get(f"{API}/models/{path}")).status_code == 422, path
