"""Routes about how takes are made, beyond those of the eleven routers that every client knows.

`v1` imports it. It imports `v1.dependencies`, `http`, services and DTOs.
"""
