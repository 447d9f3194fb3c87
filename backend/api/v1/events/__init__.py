"""Routes of what happens: streams of events to listen to, and webhooks that events are sent to.

`v1` imports it. It imports `v1.dependencies`, `http`, `streams`, services and DTOs.
"""
