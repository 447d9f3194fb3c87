"""Routes of what leaves for editors and comes back: exports, also at older addresses, and imports.

`v1` and the server import it. It imports `v1.dependencies`, `http`, `streams`, services and DTOs.
"""
