"""Qwen-Image-Edit 2509: looks at up to three pictures; the first is the one to be changed."""

from backend.services.workflows.builders.qwen_edit import build_with
from backend.services.workflows.graph import BuiltGraph
from backend.services.workflows.recipe import Recipe


def build(recipe: Recipe) -> BuiltGraph:
    return build_with(recipe, "TextEncodeQwenImageEditPlus", ("image1", "image2", "image3"))
