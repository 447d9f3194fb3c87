"""Clients of paid services, and what all paid work shares. They know no jobs.

Queue, servers and the doors import it. It imports comfyui, media, repositories and models.
"""
