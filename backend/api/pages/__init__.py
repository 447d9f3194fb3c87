"""The pages for people, with their templates and static files.

The server imports it. It imports `v1.dependencies`, `http`, and what the live page shows of
services.
"""
