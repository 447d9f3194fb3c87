"""The edge to the network, the only place that knows FastAPI.

The server and the wiring import it. It imports services and DTOs, never a repository.
"""
