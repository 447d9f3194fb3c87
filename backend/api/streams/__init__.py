"""Answers that are written in portions: events, long JSON, downloads.

Routers import it. It imports `http`, services and DTOs, and no router.
"""
