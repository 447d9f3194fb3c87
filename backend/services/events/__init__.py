"""The log of events and who hears of it: hub, outbox, listeners, webhooks.

Queue, exports, the api and the wiring import it. It imports `comfyui.transport` for the errors of
HTTP, repositories and DTOs.
"""
