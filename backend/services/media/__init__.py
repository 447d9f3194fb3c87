"""Files on disk: probing, results, uploads, copies of takes.

Any room may import it but comfyui. It imports `comfyui.messages` for the name of an output, models
and utils.
"""
