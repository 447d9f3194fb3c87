"""What a simulated server is like: speed, models, folders, faults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_MODELS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly-fp16.safetensors"),
    "loras": ("example_character.safetensors", "example_style.safetensors"),
    "vae": ("sdxl_vae.safetensors", "wan_2.1_vae.safetensors"),
    "text_encoders": ("umt5_xxl_fp8_e4m3fn_scaled.safetensors",),
    "diffusion_models": ("wan2.1_t2v_1.3B_fp16.safetensors",),
}


@dataclass(frozen=True, kw_only=True)
class SimulatorOptions:
    """Every knob; the defaults suit tests (no waiting)."""

    #: Seconds each sampler step takes.
    seconds_per_step: float = 0.0
    #: Seconds a loader needs for a checkpoint or diffusion model that is not loaded.
    model_swap_seconds: float = 0.0
    #: The same, of single models by file name.
    model_swap_seconds_of: Mapping[str, float] = field(default_factory=dict)
    #: Seconds between execution_success and the history entry, as on the real server.
    history_lag: float = 0.005
    #: File names by folder; a folder that is named replaces the default of that folder.
    models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Offer every model file the known workflows name, not only DEFAULT_MODELS.
    every_model: bool = False
    #: Node classes this server lacks.
    without_nodes: tuple[str, ...] = ()
    #: An /object_info answer of a real server, to be used in place of the own node set.
    object_info: Path | None = None
    #: Where pictures go and stay. None: a temporary folder, removed at the end.
    output_directory: Path | None = None
    #: Anything but "none" sends binary previews, one a step.
    preview_method: str = "none"
    #: What /system_stats reports.
    vram_gb: float = 24.0
    #: Faults from the start: name → True, a value, or {"value": …, "times": n}.
    faults: Mapping[str, Any] = field(default_factory=dict)
