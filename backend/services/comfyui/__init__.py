"""The client for one ComfyUI server: transport, messages, the catalog of what it has.

It knows no job. Any room may import it. It imports models and utils.
"""
