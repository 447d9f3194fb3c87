"""Reading a graph: what order it runs in, and what picture each output node would make. Pure.

Works on any classes: it follows links, and looks for inputs by name (width, text, seed, steps …).
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backend.comfyui_simulator.nodes import NodeSet
from backend.comfyui_simulator.sizes import Frames, changed, floor, whole

Graph = Mapping[str, Any]
Size = tuple[int, int]

DEFAULT_SIZE: Size = (512, 512)
#: Links that carry pictures, best first; where none of them is, any other link is followed.
PICTURE_LINKS = (
    "images", "image", "image1", "video", "samples", "latent_image", "pixels", "latent"
)  # fmt: skip
TEXT_INPUTS = ("text", "prompt", "text_g", "clip_l", "t5xxl")
SEED_INPUTS = ("seed", "noise_seed")
MODEL_INPUTS = ("ckpt_name", "unet_name")


@dataclass(frozen=True)
class DrawnPicture:
    """What one output node makes."""

    frames: Frames
    prompt: str
    negative: str
    seed: int
    steps: int
    model: str
    fps: float


def runnable(graph: Graph, outputs: tuple[str, ...], nodes: NodeSet) -> Graph:
    """The part of a graph that was checked: what the outputs need, declared inputs only."""
    found: dict[str, Any] = {}
    waiting = list(outputs)
    while waiting:
        node_id = waiting.pop()
        if node_id in found:
            continue
        class_type, given = graph[node_id]["class_type"], graph[node_id]["inputs"]
        names = [spec.name for spec in nodes.inputs(class_type) if spec.name in given]
        found[node_id] = {"class_type": class_type, "inputs": {name: given[name] for name in names}}
        waiting += [source for _, source in links(found[node_id])]
    return {node_id: found[node_id] for node_id in graph if node_id in found}


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def links(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(input name, source node id) of each link of a node."""
    for name, value in node["inputs"].items():
        if is_link(value):
            yield name, value[0]


def execution_order(graph: Graph, outputs: tuple[str, ...], cached: set[str]) -> list[str]:
    """List what must run, sources first. What is cached is not looked behind, as on the server."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(node_id: str) -> None:
        if node_id in seen:
            return
        seen.add(node_id)
        if node_id not in cached:
            for _, source in links(graph[node_id]):
                if source not in cached:
                    visit(source)
        order.append(node_id)

    for output in outputs:
        visit(output)
    return order


def signatures(graph: Graph, stamp: Callable[[str], str]) -> dict[str, str]:
    """What the cache knows each node by: its class, its literals and all that lies above it.

    `stamp(node_id)` adds what changes outside the graph, such as a picture that LoadImage reads.
    """
    known: dict[str, str] = {}

    def of(node_id: str) -> str:
        if node_id not in known:
            node = graph[node_id]
            inputs = {
                name: [of(value[0]), value[1]] if is_link(value) else value
                for name, value in node["inputs"].items()
            }
            text = json.dumps([node["class_type"], stamp(node_id), inputs], sort_keys=True)
            known[node_id] = hashlib.sha256(text.encode()).hexdigest()
        return known[node_id]

    for node_id in graph:
        of(node_id)
    return known


def upstream(graph: Graph, start: str, *, without: tuple[str, ...] = ()) -> Iterator[str]:
    """The node and all above it, nearest first; links of the inputs in `without` are left out."""
    queue = [start]
    seen = {start}
    while queue:
        node_id = queue.pop(0)
        yield node_id
        for name, source in links(graph[node_id]):
            if name not in without and source not in seen:
                seen.add(source)
                queue.append(source)


def literal(graph: Graph, node_id: str, names: tuple[str, ...]) -> Any:
    inputs = graph[node_id]["inputs"]
    found = (inputs[name] for name in names if name in inputs and not is_link(inputs[name]))
    return next(found, None)


def nearest(
    graph: Graph, start: str | None, names: tuple[str, ...], *, without: tuple[str, ...] = ()
) -> Any:
    """The first literal of one of these input names, going up from `start`; else None."""
    if start is None:
        return None
    values = (literal(graph, node, names) for node in upstream(graph, start, without=without))
    return next((value for value in values if value is not None), None)


def is_sampler(graph: Graph, node_id: str, nodes: NodeSet) -> bool:
    class_type = graph[node_id]["class_type"]
    return "Sampler" in class_type and "LATENT" in nodes.outputs(class_type)


def sampler_steps(graph: Graph, node_id: str) -> int:
    """Steps this node itself runs: KSamplerAdvanced only from start_at_step to end_at_step."""
    steps = whole(nearest(graph, node_id, ("steps",)), 20)
    inputs = graph[node_id]["inputs"]
    start = whole(inputs.get("start_at_step"), 0)
    end = min(whole(inputs.get("end_at_step"), steps), steps)
    return max(1, end - start)


def frames_of(
    graph: Graph, node_id: str, nodes: NodeSet, image_size: Callable[[str], Size | None]
) -> Frames:
    """What pictures stand at a node's output. `image_size(name)` measures a LoadImage file."""
    class_type, inputs = graph[node_id]["class_type"], graph[node_id]["inputs"]
    kinds = {"IMAGE", "LATENT"} & set(nodes.outputs(class_type))
    sized = bool(kinds) and {"width", "height"} <= inputs.keys()
    if sized and "LATENT" in kinds:
        return latent_frames(class_type, inputs)
    above = picture_source(graph, node_id)
    if above is None:
        return first_frames(class_type, inputs, image_size)
    frames = frames_of(graph, above, nodes, image_size)
    if sized:
        return scaled(frames, whole(inputs["width"], 0), whole(inputs["height"], 0))
    return changed(class_type, inputs, frames)


def first_frames(
    class_type: str, inputs: Mapping[str, Any], image_size: Callable[[str], Size | None]
) -> Frames:
    """Pictures that come from nowhere above: a loaded file, an EmptyImage."""
    if class_type == "LoadImage":
        return Frames(*(image_size(str(inputs.get("image"))) or DEFAULT_SIZE))
    width, height = DEFAULT_SIZE
    return Frames(
        whole(inputs.get("width"), width),
        whole(inputs.get("height"), height),
        whole(inputs.get("batch_size"), 1),
    )


def picture_source(graph: Graph, node_id: str) -> str | None:
    found = dict(links(graph[node_id]))
    for name in PICTURE_LINKS:
        if name in found:
            return found[name]
    return next(iter(found.values()), None)


def latent_frames(class_type: str, inputs: Mapping[str, Any]) -> Frames:
    """Latents hold whole cells of 8 pixels (LTXV: 32, Wan 2.2 5B: 16) and 4n+1 frames (8n+1)."""
    cell, span = (32, 8) if "LTXV" in class_type else (8, 4)
    cell = 16 if class_type.startswith("Wan22") else cell
    length = whole(inputs.get("video_frames"), 1)
    if "length" in inputs:
        length = (max(1, whole(inputs["length"], 1)) - 1) // span * span + 1
    return Frames(
        floor(whole(inputs["width"], 512), cell),
        floor(whole(inputs["height"], 512), cell),
        whole(inputs.get("batch_size"), 1),
        length,
    )


def scaled(frames: Frames, width: int, height: int) -> Frames:
    """ImageScale: a 0 keeps the proportion."""
    if width == 0 and height == 0:
        return frames
    width = width or max(1, round(frames.width * height / frames.height))
    height = height or max(1, round(frames.height * width / frames.width))
    return replace(frames, width=width, height=height)


def picture_of(
    graph: Graph, node_id: str, nodes: NodeSet, image_size: Callable[[str], Size | None]
) -> DrawnPicture:
    """All that is drawn into the file of one output node."""
    sampler = next((n for n in upstream(graph, node_id) if is_sampler(graph, n, nodes)), node_id)
    prompt = nearest(graph, sampler, TEXT_INPUTS, without=("negative",))
    negative = next((s for n, s in links(graph[sampler]) if n == "negative"), None)
    color = nearest(graph, node_id, ("color",))
    seed = nearest(graph, node_id, SEED_INPUTS)
    return DrawnPicture(
        frames=frames_of(graph, node_id, nodes, image_size),
        prompt=str(prompt or ""),
        negative=str(nearest(graph, negative, TEXT_INPUTS) or ""),
        seed=whole(color if seed is None else seed, 0),
        steps=whole(nearest(graph, node_id, ("steps",)), 0),
        model=str(nearest(graph, node_id, MODEL_INPUTS) or "no model"),
        fps=float(nearest(graph, node_id, ("fps",)) or 24.0),
    )
