"""The client of RunPod's serverless endpoints: messages and calls.

The runners and `servers` import it. It imports comfyui, media and `providers.openai.messages`.
"""
