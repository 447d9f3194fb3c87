"""One attempt at a job, for each kind of maker: ComfyUI, RunPod, an OpenAI-compatible provider.

The dispatcher, workers, monitoring and the entry services import it. It imports queue, providers,
servers, comfyui, media and workflows.
"""
