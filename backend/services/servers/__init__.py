"""The fleet of ComfyUI servers: checks, circuits, what each has and can render.

Queue, generation, workers, monitoring, the entry services and the api import it. It imports
comfyui, families, workflows and `providers.runpod`.
"""
