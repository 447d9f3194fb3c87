"""Files by the names that servers give them: other folders, precisions, separators, GGUF."""

from typing import Any

import pytest

from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.workflows import build_workflow, missing, requirements, unused_params_of
from backend.services.workflows.files import FileNeed
from backend.utils.errors import ModelUnavailableError, WorkflowError
from tests.unit.services.workflows.workflow_samples import START, full_catalog

GGUF = {
    "UnetLoaderGGUF": ("unet_name",),
    "CLIPLoaderGGUF": ("clip_name",),
    "DualCLIPLoaderGGUF": ("clip_name1", "clip_name2"),
}


def server(*, without: tuple[str, ...] = (), **lists: tuple[str, ...]) -> ServerCatalog:
    """A server with every official file, but for these lists: `UNETLoader__unet_name=(…)`."""
    full = full_catalog()
    changed = {tuple(name.split("__")): names for name, names in lists.items()}
    gguf = {pair[0] for pair in changed if pair[0] in GGUF}
    return ServerCatalog(
        (full.node_classes | gguf) - set(without),
        full.output_nodes,
        {**full.options, **{(one[0], one[1]): names for one, names in changed.items()}},
        full.uploads,
    )


def need(*names: str) -> FileNeed:
    return FileNeed("diffusion_models", names, "UNETLoader", "unet_name")


def asked(model: str | None, **changes: Any) -> RenderRequest:
    kind = changes.pop("kind", ContentType.IMAGE)
    return RenderRequest(kind=kind, model=model, prompt="a", seed=1, **changes)


@pytest.mark.parametrize(
    ("wanted", "offered", "found"),
    [
        ("flux1-dev.safetensors", ["flux1-dev.safetensors", "x/flux1-dev.safetensors"],
         "flux1-dev.safetensors"),
        ("flux1-dev.safetensors", ["FLUX/flux1-dev.safetensors"], "FLUX/flux1-dev.safetensors"),
        ("FLUX/flux1-dev.safetensors", ["FLUX\\flux1-dev.safetensors"],
         "FLUX\\flux1-dev.safetensors"),
        ("a/flux1-dev.safetensors", ["b\\flux1-dev.safetensors"], "b\\flux1-dev.safetensors"),
        ("flux1-dev", ["flux1-dev.safetensors"], "flux1-dev.safetensors"),
        ("flux1-dev.safetensors", ["flux1-dev-fp8.safetensors"], "flux1-dev-fp8.safetensors"),
        ("flux1-dev-fp8.safetensors", ["sub/flux1-dev_bf16.safetensors"],
         "sub/flux1-dev_bf16.safetensors"),
        ("wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors",
         ["wan2.2_t2v_low_noise_14B_fp16.sft", "wan2.2_t2v_high_noise_14B_fp16.safetensors"],
         "wan2.2_t2v_high_noise_14B_fp16.safetensors"),
        ("flux1-dev.safetensors", ["flux1-schnell-fp8.safetensors", "flux1-dev-kontext.sft"], None),
        ("hidream_i1_fast_fp8.safetensors", ["hidream_i1_full_fp8.safetensors"], None),
        ("flux1-dev.safetensors", [], None),
    ],
)  # fmt: skip
def test_resolution(wanted: str, offered: list[str], found: str | None) -> None:
    assert need(wanted).found(server(UNETLoader__unet_name=tuple(offered))) == found


def test_the_first_name_there_wins_over_other_precisions() -> None:
    there = server(UNETLoader__unet_name=("b_fp16.safetensors", "a_fp8.safetensors"))
    assert need("a_fp16.safetensors", "b_fp16.safetensors").found(there) == "b_fp16.safetensors"


def test_a_server_without_a_list_is_believed() -> None:
    located = need("x.safetensors").located(ServerCatalog())
    assert located is not None
    assert (located.name, located.class_type) == ("x.safetensors", "UNETLoader")


def test_gguf_is_loaded_by_the_node_for_it() -> None:
    there = server(
        UNETLoader__unet_name=("other.safetensors",),
        UnetLoaderGGUF__unet_name=("flux1-dev-Q4_K_S.gguf",),
        DualCLIPLoader__clip_name1=("clip_l.safetensors",),
        DualCLIPLoader__clip_name2=("clip_l.safetensors",),
        DualCLIPLoaderGGUF__clip_name1=("clip_l.safetensors", "t5-v1_1-xxl-encoder-Q8_0.gguf"),
        DualCLIPLoaderGGUF__clip_name2=("clip_l.safetensors", "t5-v1_1-xxl-encoder-Q8_0.gguf"),
    )
    for model in ("flux1-dev.safetensors", "flux1-dev-Q4_K_S.gguf"):
        built = build_workflow(asked(model), there)
        loaders = {node["class_type"]: node["inputs"] for node in built.graph.values()}
        assert loaders["UnetLoaderGGUF"] == {"unet_name": "flux1-dev-Q4_K_S.gguf"}
        assert loaders["DualCLIPLoaderGGUF"] == {
            "clip_name1": "clip_l.safetensors",
            "clip_name2": "t5-v1_1-xxl-encoder-Q8_0.gguf",
            "type": "flux",
        }
        assert built.model_name == "flux1-dev-Q4_K_S.gguf"


def test_gguf_without_its_node_is_missing() -> None:
    there = server(UNETLoader__unet_name=(), CheckpointLoaderSimple__ckpt_name=())
    lacks = missing(requirements(asked("flux1-schnell-Q4_0.gguf")), there)
    assert ("nodes", "UnetLoaderGGUF") in [(lack.folder, lack.name) for lack in lacks]


def test_a_gguf_model_may_be_chosen() -> None:
    there = server(
        CheckpointLoaderSimple__ckpt_name=(),
        UNETLoader__unet_name=(),
        UnetLoaderGGUF__unet_name=("qwen-image-Q4_K_M.gguf",),
    )
    assert build_workflow(asked(None), there).model_name == "qwen-image-Q4_K_M.gguf"


def test_flux_in_one_file_is_taken_where_that_is_there() -> None:
    one = server(UNETLoader__unet_name=(), DualCLIPLoader__clip_name1=())
    built = build_workflow(asked("flux1-dev-fp8.safetensors"), one)
    assert built.graph["1"]["class_type"] == "CheckpointLoaderSimple"
    assert built.model_name == "flux1-dev-fp8.safetensors"


def test_what_lacks_names_folder_and_near_names() -> None:
    there = server(
        VAELoader__vae_name=("wan_2.1_vea.safetensors",), CLIPLoader__clip_name=("t5.safetensors",)
    )
    with pytest.raises(ModelUnavailableError) as refusal:
        build_workflow(asked("wan2.1_t2v_14B_fp16.safetensors", kind=ContentType.VIDEO), there)
    assert refusal.value.details["missing"] == [
        {
            "folder": "text_encoders",
            "name": "umt5_xxl_fp8_e4m3fn_scaled.safetensors",
            "nearest": [],
        },
        {
            "folder": "vae",
            "name": "wan_2.1_vae.safetensors",
            "nearest": ["wan_2.1_vea.safetensors"],
        },
    ]
    assert "'wan_2.1_vae.safetensors' in models/vae" in refusal.value.message


def test_wan_needs_both_stages() -> None:
    high = "wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors"
    there = server(UNETLoader__unet_name=(high,))
    lacks = missing(requirements(asked(high, kind=ContentType.VIDEO)), there)
    assert [lack.name for lack in lacks] == ["wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors"]


def test_a_fast_preset_needs_its_lora() -> None:
    there = server(LoraLoaderModelOnly__lora_name=())
    model = "qwen_image_fp8_e4m3fn.safetensors"
    assert missing(requirements(asked(model, preset="quality")), there) == ()
    (lack,) = missing(requirements(asked(model, preset="fast")), there)
    assert lack.name == "Qwen-Image-Lightning-8steps-V1.0.safetensors"


def test_a_model_is_chosen_that_can_begin_from_the_picture() -> None:
    video = build_workflow(asked(None, kind=ContentType.VIDEO, init_image=START), full_catalog())
    assert video.kind == "image_to_video"
    both = asked(None, kind=ContentType.VIDEO, init_image=START, end_image="/uploads/end.png")
    assert build_workflow(both, full_catalog()).kind == "first_last_frame"
    only_t2v = server(
        CheckpointLoaderSimple__ckpt_name=(),
        UNETLoader__unet_name=("wan2.1_t2v_1.3B_fp16.safetensors",),
    )
    with pytest.raises(ModelUnavailableError) as refusal:
        build_workflow(asked(None, kind=ContentType.VIDEO, init_image=START), only_t2v)
    assert "that begin from pictures" in refusal.value.message


@pytest.mark.parametrize(
    ("model", "changes", "words"),
    [
        ("svd.safetensors", {"kind": ContentType.VIDEO}, "a picture to begin from"),
        ("qwen_image_edit_2509_bf16", {}, "a picture to change"),
        ("sd15", {"init_image": "https://x/a.png"}, "under /uploads/"),
        ("sd15", {"mask": START}, "A mask needs an init_image"),
        ("sd15", {"reference_images": (START,)}, "no reference pictures"),
        ("sd15", {"refiner": "sd_xl_refiner_1.0"}, "has no refiner"),
        ("flux1-dev", {"reference_images": (START,) * 4}, "takes 3 reference pictures"),
        ("sd15", {"family": "sd16"}, "There is no family 'sd16'"),
        ("sd_xl_refiner_1.0", {}, "params.refiner"),
        ("my_lora_v2", {}, "a LoRA"),
        ("wan2.2_i2v_14B", {"kind": ContentType.VIDEO}, "neither high nor low"),
        ("mystery", {"family": "wan_2_2", "kind": ContentType.VIDEO}, "neither high nor low"),
        ("wan2.1_t2v_14B", {"kind": ContentType.VIDEO, "init_image": START}, "image to video"),
        ("wan2.1_t2v_14B", {"kind": ContentType.VIDEO, "end_image": START}, "needs an init_image"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(
    model: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(WorkflowError) as refusal:
        requirements(asked(model, **changes))
    assert words in refusal.value.message
    assert refusal.value.details["errors"][0]["loc"]


def test_a_family_may_be_named_where_the_name_says_nothing() -> None:
    there = server(UNETLoader__unet_name=("mystery.safetensors",))
    built = build_workflow(asked("mystery.safetensors", family="flux_krea"), there)
    assert built.family == "flux_krea"
    variant = asked("hidream_i1_dev_bf16", family="hidream")
    assert build_workflow(variant, full_catalog()).sampling["steps"] == 28


class TestInputReferenceUrl:
    """It may be what a clip's character looks like, or what to begin from."""

    HINT = "/uploads/mara.png"

    def sources(self, model: str, **changes: Any) -> list[str]:
        request = asked(model, input_reference_url=self.HINT, **changes)
        return [image.source for image in build_workflow(request, full_catalog()).inputs]

    def test_image_models_begin_from_it_only_when_told_how_far(self) -> None:
        assert self.sources("sd_xl_base_1.0") == []
        assert self.sources("sd_xl_base_1.0", denoise=0.5) == [self.HINT]

    def test_editing_models_look_at_it(self) -> None:
        assert self.sources("flux1-dev-kontext_fp8_scaled") == [self.HINT]
        both = self.sources("qwen_image_edit_2509_fp8_e4m3fn", init_image=START)
        assert both == [START, self.HINT]
        assert self.sources("qwen_image_edit_fp8_e4m3fn", init_image=START) == [START]

    def test_videos_begin_from_it_where_they_can(self) -> None:
        video = {"kind": ContentType.VIDEO}
        assert self.sources("svd_xt", **video) == [self.HINT]
        assert self.sources("wan2.1_t2v_1.3B_fp16", **video) == []
        assert self.sources("ltx-video-2b-v0.9.5", init_image=START, **video) == [START]

    def test_one_from_elsewhere_is_refused_only_where_it_would_be_used(self) -> None:
        away = "https://example.org/a.png"
        build_workflow(asked("sd_xl_base_1.0", input_reference_url=away), full_catalog())
        with pytest.raises(WorkflowError):
            build_workflow(
                asked("svd", kind=ContentType.VIDEO, input_reference_url=away), full_catalog()
            )


def test_a_refiner_keeps_what_a_start_picture_is_to_keep() -> None:
    request = asked(
        "sd_xl_base_1.0", refiner="sd_xl_refiner_1.0", init_image=START, denoise=0.5, steps=20
    )
    built = build_workflow(request, full_catalog())
    stages = [n["inputs"] for n in built.graph.values() if n["class_type"] == "KSamplerAdvanced"]
    assert [(one["start_at_step"], one["end_at_step"]) for one in stages] == [(10, 16), (16, 10000)]


def test_redux_shows_flux_a_picture() -> None:
    request = asked("flux1-dev", reference_images=("/uploads/mara.png",))
    classes = [n["class_type"] for n in build_workflow(request, full_catalog()).graph.values()]
    assert "StyleModelApply" in classes
    assert "CLIPVisionEncode" in classes


def test_hunyuan_makes_the_frames_that_it_cuts_off() -> None:
    model = "hunyuan_video_image_to_video_720p_bf16"
    request = asked(model, kind=ContentType.VIDEO, init_image=START, frames=49)
    built = build_workflow(request, full_catalog())
    lengths = [n["inputs"].get("length") for n in built.graph.values()]
    assert built.frames == 49
    assert 53 in lengths
    assert built.duration == pytest.approx(49 / 24)


@pytest.mark.parametrize(
    ("model", "given", "unread"),
    [
        ("sd_xl_base_1.0", {"denoise": 0.5, "motion_bucket_id": 9},
         {"denoise", "motion_bucket_id"}),
        ("sd_xl_base_1.0", {"denoise": 0.5, "init_image": START}, set()),
        ("sd_xl_base_1.0", {"input_reference_url": START}, {"input_reference_url"}),
        ("sd_xl_base_1.0", {"shift": 3, "guidance": 3, "frames": 9, "fps": 9},
         {"shift", "guidance", "video_frames", "video_fps"}),
        ("flux1-dev", {"clip_skip": 2, "guidance": 3, "vae": "x"}, {"clip_skip"}),
        ("flux1-dev-kontext_fp8_scaled", {"input_reference_url": START}, set()),
        ("svd", {"init_image": START, "loras": (("a", 1),), "negative_prompt": "b", "batch_size": 2,
                 "motion_bucket_id": 5}, {"loras", "negative_prompt", "batch_size"}),
        ("ltx-video-2b-v0.9.5", {"scheduler": "karras", "vae": "x"}, {"scheduler", "vae"}),
        ("hunyuan_video_t2v_720p_bf16", {"cfg": 3}, {"cfg"}),
        ("my_lora_v2", {"denoise": 1}, set()),
        ("ltx-video-2b-v0.9.5", {"scheduler": "LTXVScheduler"}, set()),
        (None, {"denoise": 1, "motion_bucket_id": 5}, {"denoise", "motion_bucket_id"}),
        (None, {"denoise": 1, "init_image": START, "guidance": 3}, set()),
    ],
)  # fmt: skip
def test_what_the_graph_has_no_use_for_is_named(
    model: str | None, given: dict[str, Any], unread: set[str]
) -> None:
    video = model is not None and model.startswith(("svd", "ltx", "hunyuan"))
    kind = ContentType.VIDEO if video else ContentType.IMAGE
    assert unused_params_of(asked(model, kind=kind, **given)) == unread
