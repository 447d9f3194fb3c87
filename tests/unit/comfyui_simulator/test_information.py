"""What a server says about itself, and how two servers can differ."""

from pathlib import Path

from backend.comfyui_simulator import Simulator, SimulatorOptions
from tests.unit.comfyui_simulator.graphs import Client, model_free, text_to_image

REQUIRED = (
    "CheckpointLoaderSimple LoraLoader LoraLoaderModelOnly CLIPSetLastLayer CLIPTextEncode",
    "EmptyLatentImage EmptySD3LatentImage EmptyHunyuanLatentVideo KSampler KSamplerAdvanced",
    "VAEDecode VAEEncode VAELoader UNETLoader CLIPLoader DualCLIPLoader ModelSamplingSD3",
    "LoadImage ImageScale EmptyImage ImageBlend SaveImage PreviewImage CreateVideo SaveVideo",
    "SaveAnimatedWEBP",
)


async def test_it_does_not_pose_as_the_real_thing(client: Client) -> None:
    stats = await client.get("/system_stats")
    assert stats["system"]["simulator"] is True
    assert stats["system"]["comfyui_version"] == "0.3.64"
    assert stats["devices"][0]["name"] == "StoryCanvas simulator"
    assert "simulator" in await client.get("/")


async def test_nodes_and_limits(client: Client) -> None:
    info = await client.get("/object_info")
    assert set(" ".join(REQUIRED).split()) <= set(info)
    sampler = info["KSampler"]["input"]["required"]
    assert sampler["steps"] == ["INT", {"default": 20, "min": 1, "max": 10000}]
    assert len(sampler["sampler_name"][0]) == 42
    assert info["SaveVideo"]["input"]["required"]["format"][0] == "COMBO"
    assert await client.get("/object_info/Nope") == {}


async def test_models(client: Client) -> None:
    checkpoints = ["sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly-fp16.safetensors"]
    assert await client.get("/models/checkpoints") == checkpoints
    assert "diffusion_models" in await client.get("/api/models")
    assert await client.get("/models/controlnet") == []
    for old in ("clip", "unet", "nope"):
        assert (await client.call("GET", f"/models/{old}"))[0] == 404
    assert await client.get("/embeddings") == []
    vaes = (await client.get("/object_info/VAELoader"))["VAELoader"]["input"]["required"]
    assert vaes["vae_name"][0] == ["sdxl_vae.safetensors", "wan_2.1_vae.safetensors", "pixel_space"]


async def test_metadata_and_features(client: Client) -> None:
    metadata = await client.get("/view_metadata/loras?filename=example_style.safetensors")
    assert metadata["simulated"] == "true"
    assert (await client.call("GET", "/view_metadata/loras?filename=no.safetensors"))[0] == 404
    assert (await client.get("/features"))["max_upload_size"] == 104_857_600


async def test_unequal_servers() -> None:
    options = SimulatorOptions(
        models={"checkpoints": ("mine.safetensors",)}, without_nodes=("SaveVideo",), vram_gb=8
    )
    async with Simulator(options) as simulator, Client(simulator) as client:
        assert await client.get("/models/checkpoints") == ["mine.safetensors"]
        assert await client.get("/models/loras") != []
        assert await client.get("/object_info/SaveVideo") == {}
        stats = await client.get("/system_stats")
        assert stats["devices"][0]["vram_total"] == 8 * 1024**3
        body = {"prompt": text_to_image()}
        assert (await client.post("/prompt", body))[0] == 400
        body = {"prompt": text_to_image(checkpoint="mine.safetensors")}
        assert (await client.post("/prompt", body))[0] == 200


async def test_object_info_of_another_server(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "object_info.json"
    async with client.http.get("/object_info") as answer:
        path.write_bytes(await answer.read())
    options = SimulatorOptions(object_info=path, output_directory=tmp_path / "out")
    async with Simulator(options) as other, Client(other) as second:
        assert await second.get("/models/loras") == await client.get("/models/loras")
        await second.run(model_free())
    assert (tmp_path / "out" / "free_00001_.png").exists()
    assert not other.folders.input.exists()
