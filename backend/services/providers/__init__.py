"""Clients of paid services, and what all paid work shares. They know no jobs.

Queue, servers and the entry services import it. It imports comfyui, media, repositories and models.
"""
