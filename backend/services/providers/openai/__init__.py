"""The client of an OpenAI-compatible video provider: transport, messages.

The runners and `openai_video_service` import it. It imports comfyui, for transport and files.
"""
