"""Illustrious XL: SDXL's graph, with the encoder's last layer left out as it was trained."""

from backend.services.workflows.builders.stable_diffusion import build

__all__ = ["build"]
