"""Graphs for ComfyUI: parameters in, API-format graph out, all pure.

Queue, servers, film and generation import it. It imports families, `comfyui.catalog` and models.
"""

from backend.services.workflows.build import BuiltWorkflow, build_workflow
from backend.services.workflows.files import FileNeed
from backend.services.workflows.graph import InputImage
from backend.services.workflows.requirements import MissingItem, Requirements, missing, requirements
from backend.services.workflows.unused_params import unused_params_of

__all__ = [
    "BuiltWorkflow",
    "FileNeed",
    "InputImage",
    "MissingItem",
    "Requirements",
    "build_workflow",
    "missing",
    "requirements",
    "unused_params_of",
]
