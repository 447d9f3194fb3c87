"""StoryCanvas: plan a film, generate its clips on ComfyUI, hand it to the editor."""

__version__ = "0.1.0"
