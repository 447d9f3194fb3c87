"""Families by file name: names of real checkpoints, awkward ones among them."""

import pytest

from backend.services.families.detection import detect, needs_other_graph, partner_of, stage_of

NAMES = {
    "sd15": """
        v1-5-pruned-emaonly-fp16 v1-5-pruned-emaonly.ckpt v1-5-pruned sd-v1-4.ckpt sd15_random
        dreamshaper_8 SD15/dreamshaper_8 realisticVisionV60B1_v51VAE realisticVisionV51_v51VAE
        epicrealism_naturalSinRC1VAE deliberate_v2 deliberate_v3 revAnimated_v122
        anything-v5 AnythingV5_v5PrtRE anythingV3_fp16 absolutereality_v181 majicmixRealistic_v7
        counterfeitV30_v30 abyssorangemix3AOM3_aom3a1b chilloutmix_NiPrunedFp32Fix
        cyberrealistic_v80 photon_v1 meinamix_v12Final ghostmix_v20Bakedvae pastelmix-fp16
        protogenX34Photorealism_1 lyriel_v16 juggernaut_reborn juggernaut_final toonyou_beta6
        openjourney_v4 f222 uberRealisticPornMerge_urpmv13 aniverse_v50 darkSushiMixMix_225D
        mistoonAnime_v30 hardblend_ inkpunk-diffusion-v1 icbinpICantBelieveIts_lcm0
    """,
    "sd15_inpaint": """
        512-inpainting-ema sd-v1-5-inpainting.ckpt dreamshaper_8Inpainting
        realisticVisionV60B1_v51VAE-inpainting epicrealism_pureEvolutionV5-inpainting
    """,
    "sd15_distilled": "dreamshaper_8LCM photon_lcm realisticVisionV60B1_v51HyperVAE",
    "sdxl": """
        sd_xl_base_1.0 sd_xl_base_1.0_0.9vae stableDiffusionXL_v30 juggernautXL_v9
        models\\juggernautXL_v9 juggernautXL_ragnarokBy sdxl/RealVisXL_V4.0 RealVisXL_V5.0_fp16
        DreamShaperXL_v21 dreamshaperXL10_alpha2Xl10 albedobaseXL_v21 zavychromaxl_v80
        epicrealismXL_vxviiCrystal animagine-xl-3.1 animagineXLV31_v31 copaxTimelessxlSDXL1_v12
        sdxlUnstableDiffusers_v11 leosamsHelloworldXL_helloworldXL70 bigLove_xl1 bigASP_v20
        nightvisionXLPhotorealisticPortrait_v0931 crystalClearXL_ccxl protovisionXLHighFidelity3D
        cyberrealisticXL_v60 samaritan3dCartoon_v40SDXL counterfeitxl_v25 halcyonSDXL_v18
    """,
    "sdxl_inpaint": "sd_xl_base_1.0_inpainting_0.1 juggernautxl_inpainting",
    "sdxl_distilled": """
        dreamshaperXL_lightningDPMSDE juggernautXL_v9Rdphoto2Lightning sdxl_lightning_4step
        sdxl_lightning_8step realvisxlV50_v50LightningBakedvae dreamshaperXL_v21TurboDPMSDE
        realvisxlV40_v40TurboBakedvae splashedMixDMD2_xlV5 juggernautXL_hyper8step
    """,
    "sdxl_turbo": "sd_xl_turbo_1.0_fp16 sd_xl_turbo_1.0",
    "pony": """
        ponyDiffusionV6XL_v6StartWithThisOne ponyRealism_V22 ponyRealism_V23ULTRA
        autismmixSDXL_autismmixPony autismmixSDXL_autismmixConfetti cyberrealisticPony_v85
        prefectPonyXL_v50 waiANINSFWPONYXL_v130 7thAnimeXLPonyA_v10 a/b/pony_v6
        everclearPNYByZovya_v3VAE-pony realDream_sdxlPony15 tunixPony_v2
    """,
    "illustrious": """
        Illustrious-XL-v0.1 Illustrious-XL-v1.0 illustriousXL_v01 waiNSFWIllustrious_v140
        noobaiXLNAIXL_epsilonPred11Version noobaiXLNAIXL_vPred10Version NoobAI-XL-v1.1
        novaAnimeXL_ilV70 hassakuXLIllustrious_v21 obsessionIllustrious_v10 prefectIllustriousXL_v10
        JANKUV4NSFWTrainedNoobaiEPS_v40 diving-illustrious-real-asian cyberillustrious_v38
        waiIllustriousSDXL_v150 plantMilkModelSuite_hempII-il
    """,
    "flux_dev": """
        flux1-dev flux1-dev-fp8 flux1-dev-fp8-e4m3fn flux1-dev.sft flux1-dev-Q4_K_S.gguf
        flux1-dev-Q8_0.gguf flux1-dev-F16.gguf flux_dev flux1-dev-bf16 FLUX1/flux1-dev
        flux1-dev-fp8_scaled FLUX.1-dev flux1DevFp8_fp8
    """,
    "flux_dev_distilled": "flux1-dev-turbo fluxHyper8step_v1 flux.1-lite-8steps",
    "flux_schnell": """
        flux1-schnell flux1-schnell-fp8 flux1-schnell-Q4_K_S.gguf fluxUnchained_schnell flux_schnell
    """,
    "flux_krea": """
        flux1-krea-dev_fp8_scaled flux1-krea-dev FLUX.1-Krea-dev-Q5_K_M.gguf flux1KreaDev_fp8
    """,
    "flux_pro": """
        flux1-dev-finetune pixelwave_flux1Dev03 jibMixFlux_v8Accentueight fluxmania_legacy
        acornIsSpinningFLUX_aisFluxV15 stoiqoNewrealityFLUX_f1dAlpha colossusProjectFlux_v12
        STOIQOAfroditeFLUXXL_F1DAlpha realDreamFlux_v1 copaxTimeless_fluxV1 flux-dev-de-distill
    """,
    "flux_kontext": """
        flux1-dev-kontext_fp8_scaled flux1-kontext-dev flux1-kontext-dev-Q6_K.gguf fluxKontext_v1
    """,
    "hidream": "hidream_i1_full_fp8 hidream_i1_full_fp16 HiDream-I1-Full-Q4_K_M.gguf",
    "hidream_dev": "hidream_i1_dev_fp8 hidream_i1_dev_bf16 hidream-i1-dev-Q5_0.gguf",
    "hidream_fast": "hidream_i1_fast_fp8 hidream_i1_fast_bf16",
    "qwen_image": "qwen_image_fp8_e4m3fn qwen_image_bf16 Qwen-Image-Q4_K_M.gguf qwenImage_v10",
    "qwen_image_distilled": "qwen_image_distill_full_fp8_e4m3fn",
    "qwen_edit": "qwen_image_edit_fp8_e4m3fn qwen_image_edit_bf16 Qwen_Image_Edit-Q5_K_M.gguf",
    "qwen_edit_2509": """
        qwen_image_edit_2509_fp8_e4m3fn qwen_image_edit_2509_bf16 Qwen-Image-Edit-2509-Q4_K_M.gguf
    """,
    "wan_2_1": "wan2.1_t2v_1.3B_fp16 wan2.1_t2v_1.3B_bf16 Wan2_1-T2V-1_3B_fp8_e4m3fn",
    "wan_2_1_t2v_14b": """
        wan2.1_t2v_14B_fp16 wan2.1_t2v_14B_fp8_scaled Wan2_1-T2V-14B_fp8_e4m3fn
        wan2.1-t2v-14b-Q5_K_M.gguf
    """,
    "wan_2_1_t2v_distilled": """
        Wan14BT2VFusioniX_fp16_ Wan2.1_T2V_14B_FusionX-FP8 wan2.1_t2v_14B_lightx2v_step_distill
    """,
    "wan_2_1_i2v_480p": """
        wan2.1_i2v_480p_14B_fp16 wan2.1_i2v_480p_14B_fp8_e4m3fn Wan2_1-I2V-14B-480P_fp8_e4m3fn
        wan2.1-i2v-14b-480p-Q4_K_M.gguf aniWan2114BFp8E4m3fn_i2v480pNew
    """,
    "wan_2_1_i2v_720p": """
        wan2.1_i2v_720p_14B_fp16 Wan2_1-I2V-14B-720P_fp8_e4m3fn wan2.1-i2v-14b-720p-Q8_0.gguf
    """,
    "wan_2_1_i2v_distilled": "Wan14BI2VFusioniX_fp16",
    "wan_2_1_flf2v": "wan2.1_flf2v_720p_14B_fp16 Wan2_1-FLF2V-14B-720P_fp8_e4m3fn",
    "wan_2_2": """
        wan2.2_t2v_high_noise_14B_fp8_scaled wan2.2_t2v_low_noise_14B_fp16
        Wan2_2-T2V-A14B_HIGH_fp8_e4m3fn_scaled_KJ Wan2.2-T2V-A14B-HighNoise-Q4_K_M.gguf
        Wan2.2-T2V-A14B-LowNoise-Q4_K_M.gguf wan22_t2v_HN
    """,
    "wan_2_2_i2v": """
        wan2.2_i2v_high_noise_14B_fp8_scaled wan2.2_i2v_low_noise_14B_fp16
        Wan2_2-I2V-A14B-HIGH_fp8_e4m3fn_scaled_KJ HighNoise/Wan2.2-I2V-A14B-HighNoise-Q6_K.gguf
    """,
    "wan_2_2_5b": "wan2.2_ti2v_5B_fp16 Wan2_2-TI2V-5B_fp8_e4m3fn_scaled_KJ Wan2.2-TI2V-5B-Q8.gguf",
    "ltx_video": """
        ltx-video-2b-v0.9.5 ltx-video-2b-v0.9 ltx-video-2b-v0.9.1 ltxv-13b-0.9.7-dev
        ltxv-13b-0.9.8-dev-fp8
    """,
    "ltx_video_distilled": "ltxv-13b-0.9.7-distilled-fp8 ltxv-2b-0.9.8-distilled",
    "hunyuan_video": """
        hunyuan_video_t2v_720p_bf16 hunyuan_video_720_cfgdistill_fp8_e4m3fn
        hunyuan_video_720_cfgdistill_bf16 hunyuan-video-t2v-720p-Q4_K_M.gguf
        hunyuan_video_FastVideo_720_fp8_e4m3fn
    """,
    "hunyuan_video_i2v_v1": """
        hunyuan_video_image_to_video_720p_bf16 hunyuan-video-i2v-720p-Q4_K_M.gguf
    """,
    "hunyuan_video_i2v_v2": """
        hunyuan_video_v2_replace_image_to_video_720p_bf16 hunyuan_video_I2V_720_fixed_fp8_e4m3fn
    """,
    "svd": "svd stable-video-diffusion-img2vid svd_image_decoder",
    "svd_xt": "svd_xt svd_xt_1_1 svd_xt_image_decoder stable-video-diffusion-img2vid-xt svd/svd_xt",
}
#: Names that say that the file is nothing that a family here renders with, and the word for it.
OTHERS = {
    "refiner": "sd_xl_refiner_1.0 sd_xl_refiner_1.0_0.9vae",
    "encoder": """
        t5xxl_fp16 clip_l umt5_xxl_fp8_e4m3fn_scaled qwen_2.5_vl_7b_fp8_scaled
        llama_3.1_8b_instruct_fp8_scaled clip_vision_h Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf
    """,
    "VAE": "ae vae-ft-mse-840000-ema-pruned sdxl_vae wan_2.1_vae hunyuan_video_vae_bf16",
    "LoRA": "wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise lora_hero",
    "upscaler": "4x-UltraSharp.pth RealESRGAN_x4plus.pth ltxv-spatial-upscaler-0.9.7",
    "control": "control_v11p_sd15_canny-controlnet ip-adapter_sd15 diffusers_xl_controlnet",
    "quantised": "flux1-dev-bnb-nf4-v2 svdq-int4_r32-flux.1-dev",
    "Stable Diffusion 3": "sd3.5_large sd3_medium stable-diffusion-3.5-large",
    "Stable Diffusion 2": "v2-1_768-ema-pruned 768-v-ema",
    "Flux tool": "flux1-fill-dev flux1-canny-dev flux1-depth-dev flux1-redux-dev",
    "Chroma": "chroma-unlocked-v35 Chroma1-HD",
    "Wan model": """
        wan2.1_vace_14B_fp16 Wan2_1-Fun-InP-14B wan2.2_s2v_14B_bf16 Wan2_2-Animate-14B_fp8
        wan2.2_fun_camera_high_noise_14B_fp8_scaled
    """,
    "LTX-2": "ltx-2-19b-dev",
    "neither high nor low": "wan2.2_i2v_14B_fp8 Wan2_2-T2V-A14B",
    "all-in-one": "wan2.2-rapid-mega-aio-v3 Qwen-Rapid-AIO-v3",
    "HiDream-E1": "hidream_e1_full_bf16",
    "Pony V7": "ponyV7_base",
    "not supported": "mochi_preview_bf16 z_image_turbo_bf16 cosmos_predict2_2B hunyuanvideo1.5",
    "FramePack": "FramePackI2V_HY_fp8_e4m3fn",
    "SkyReels": "SkyReels-V2-I2V-14B",
}
NOTHING = ("mystery", "", "model", "final_v2", "myMerge_0.5", "checkpoint-12000", "realisticStock")


@pytest.mark.parametrize("family", NAMES)
def test_detects_the_family(family: str) -> None:
    found = {name: detect(_file(name)).family for name in NAMES[family].split()}
    assert {name: one.key if one else None for name, one in found.items()} == dict.fromkeys(
        found, family
    )


@pytest.mark.parametrize("word", OTHERS)
def test_says_what_else_it_is(word: str) -> None:
    for name in OTHERS[word].split():
        detection = detect(_file(name))
        assert detection.family is None, name
        assert word in detection.reason, name
        assert needs_other_graph(name)


@pytest.mark.parametrize("name", NOTHING)
def test_an_unknown_name_says_so(name: str) -> None:
    detection = detect(name)
    assert detection.family is None
    assert detection.reason == "its name does not say which model it is"
    assert not needs_other_graph(name)


def test_there_are_enough_names() -> None:
    assert sum(len(names.split()) for names in NAMES.values()) >= 150


@pytest.mark.parametrize(
    ("name", "stage", "partner"),
    [
        ("wan2.2_i2v_high_noise_14B.safetensors", "high", "wan2.2_i2v_low_noise_14B.safetensors"),
        ("LowNoise/W-LowNoise-Q4.gguf", "low", "HighNoise/W-HighNoise-Q4.gguf"),
        ("Wan2_2-I2V-A14B-HIGH_fp8.safetensors", "high", "Wan2_2-I2V-A14B-LOW_fp8.safetensors"),
        ("wan22_t2v_HN.safetensors", "high", "wan22_t2v_LN.safetensors"),
        ("hero_low.safetensors", "low", "hero_high.safetensors"),
        ("highland_yellow.safetensors", None, "highland_yellow.safetensors"),
    ],
)
def test_the_two_stages_of_wan_know_each_other(name: str, stage: str | None, partner: str) -> None:
    assert stage_of(name) == stage
    assert partner_of(name) == partner


def _file(name: str) -> str:
    return name if name.endswith((".ckpt", ".pth", ".gguf", ".sft")) else f"{name}.safetensors"
