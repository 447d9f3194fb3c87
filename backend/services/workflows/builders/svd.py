"""Stable Video Diffusion: sets one picture in motion. It reads no text and takes no LoRA."""

from backend.services.workflows.builders import parts
from backend.services.workflows.graph import BuiltGraph, GraphBuilder, link
from backend.services.workflows.recipe import Recipe

#: Frames a second that it was trained on; the file may play faster.
_TRAINED_RATE = 6


def build(recipe: Recipe) -> BuiltGraph:
    graph = GraphBuilder()
    checkpoint = graph.add("ImageOnlyCheckpointLoader", ckpt_name=recipe.file("model"))
    picture = graph.load_image(recipe.pictures.start or "")
    model = graph.add("VideoLinearCFGGuidance", model=link(checkpoint, 0), min_cfg=1.0)
    node = graph.add(
        "SVD_img2vid_Conditioning",
        clip_vision=link(checkpoint, 1),
        init_image=link(picture),
        vae=link(checkpoint, 2),
        width=recipe.width,
        height=recipe.height,
        video_frames=recipe.length,
        motion_bucket_id=recipe.motion_bucket_id,
        fps=_TRAINED_RATE,
        augmentation_level=0.0,
    )
    conditions = parts.Conditioning(link(node, 0), link(node, 1))
    samples = parts.sampled(graph, recipe, link(model), conditions, link(node, 2))
    return parts.decode_and_save_video(graph, recipe, samples, link(checkpoint, 2))
