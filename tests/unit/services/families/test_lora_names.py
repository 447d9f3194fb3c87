"""Families of LoRAs and VAEs: names as people download them, and folders as they sort them."""

import pytest

from backend.services.families.lora_and_vae import family_of_lora, family_of_vae

LORAS = {
    "sd15": """
        lcm-lora-sdv1-5 Hyper-SD15-8steps-lora ip-adapter-faceid-plusv2_sd15_lora SD1.5/add_detail
        characters/sd_1.5/mara
    """,
    "sdxl": """
        pixel-art-xl lcm-lora-sdxl Hyper-SDXL-8steps-lora add-detail-xl xl_more_art-full_v1
        sd_xl_offset_example-lora_1.0 sdxl_lightning_4step_lora sdxl_style_v2.0_final SDXL\\mara
        ponytail_hair_sdxl sdxl/grain_v1.5
    """,
    "pony": "my_pony_style_v2 Pony/ponytail styles/pony/ink ExpressivePonyXL",
    "illustrious": "illustrious_style style_il_v1 noobai_ink NoobAI/grain Illustrious/people/mara",
    "flux_dev": """
        flux_realism_lora FLUX.1-Turbo-Alpha FluxMythP0rtr4itStyle myStyleFlux_v1 yarn_art_Flux_LoRA
        flux1-canny-dev-lora flux1-depth-dev-lora mara_f1d flux-upscaler-lora
    """,
    "flux_schnell": "flux-schnell-ink",
    "flux_krea": "flux_krea_grain",
    "flux_kontext": "kontext_relight flux1-kontext-deblur",
    "hidream": "hidream_ink",
    "qwen_image": "Qwen-Image-Lightning-8steps-V1.0 qwen_mara",
    "qwen_edit": "qwen-edit-anything Qwen-Image-Edit-Lightning-4steps-V1.0",
    "qwen_edit_2509": "Qwen-Image-Edit-2509-Lightning-4steps-V1.0-bf16",
    "wan_2_1": """
        Wan21_CausVid_14B_T2V_lora_rank32 Wan2.1_I2V_14B_FusionX_LoRA wan_t2v_orbit
        lightx2v_T2V_14B_cfg_step_distill_v2_lora_rank64_bf16 wan2.1_camera_pan_lora
    """,
    "wan_2_2": """
        wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise Wan2_2-I2V-A14B-HIGH-orbit
        wan_high_noise_orbit wan22/orbit
    """,
    "hunyuan_video": "hunyuan_video_style hunyuan/ink",
    "ltx_video": "ltxv-098-ic-lora-detailer ltx-video-ink ltxv-2b-ink",
}
#: Folders with spaces, as CivitAI calls the base models.
CIVITAI = {
    "Flux.1 D": "flux_dev", "Flux.1 Kontext": "flux_kontext", "SD 1.5": "sd15",
    "SDXL 1.0": "sdxl", "Pony": "pony", "Illustrious": "illustrious", "NoobAI": "illustrious",
    "Wan Video 2.2 I2V-A14B": "wan_2_2", "Wan Video 2.2 TI2V-5B": "wan_2_2",
    "Wan Video 14B t2v": "wan_2_1", "Hunyuan Video": "hunyuan_video", "LTXV": "ltx_video",
    "Qwen": "qwen_image", "HiDream": "hidream",
}  # fmt: skip
#: The name does not say, or says that it is of a base that is not known here.
UNTOLD = """
    add_detail style_v1.5 mara_v15 ponytail illustration taiwan_style inpaint_helper wan_style
    XLabs/realism style_v2.1_final svd_extract i2v_swan_lake
    sd3.5_turbo flux2-klein-style z_image/mara HunyuanVideo1.5_ink ltx-2-19b-lora-camera LTX23_ink
    Chroma/ink SDXL/flux2_stray ponyV7_ink
"""
VAES = {
    "sd15": "vae-ft-mse-840000-ema-pruned kl-f8-anime2 taesd orangemix.vae",
    "sdxl": "sdxl_vae sdxl-vae-fp16-fix taesdxl SDXL/fixed",
    "flux_dev": "ae FLUX1/ae flux_vae taef1",
    "wan_2_1": "wan_2.1_vae Wan2_1_VAE_bf16 Wan2_1_VAE_fp32 taew2_1",
    "wan_2_2": "wan2.2_vae Wan2_2_VAE_bf16",
    "qwen_image": "qwen_image_vae",
    "hunyuan_video": "hunyuan_video_vae_bf16 hunyuan_video_vae_fp32 taehv",
}


@pytest.mark.parametrize("family", LORAS)
def test_a_lora_is_of_the_family_it_was_made_for(family: str) -> None:
    for name in LORAS[family].split():
        found = family_of_lora(f"{name}.safetensors")
        assert found is not None, name
        assert found.id == family, name


@pytest.mark.parametrize("folder", CIVITAI)
def test_where_the_name_does_not_say_the_folder_may(folder: str) -> None:
    for path in (f"{folder}/mara.safetensors", f"{folder}\\people\\mara.safetensors"):
        found = family_of_lora(path)
        assert found is not None
        assert found.id == CIVITAI[folder]


@pytest.mark.parametrize("name", UNTOLD.split())
def test_nothing_is_guessed(name: str) -> None:
    assert family_of_lora(f"{name}.safetensors") is None


def test_the_name_counts_more_than_its_folder() -> None:
    found = family_of_lora("sdxl/flux_ink.safetensors")
    assert found is not None
    assert found.id == "flux_dev"


@pytest.mark.parametrize("family", VAES)
def test_a_vae_is_of_the_first_family_that_uses_it(family: str) -> None:
    for name in VAES[family].split():
        found = family_of_vae(f"{name}.safetensors")
        assert found is not None, name
        assert found.id == family, name


@pytest.mark.parametrize(
    "name", ["mystery", "taesd3", "flux2-vae", "LTX23_video_vae", "pixel_space"]
)
def test_of_an_unknown_vae_nothing_is_claimed(name: str) -> None:
    assert family_of_vae(f"{name}.safetensors") is None
