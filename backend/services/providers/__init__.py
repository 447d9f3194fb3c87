"""Clients of paid services, and what all paid work shares. They know no job's way.

Queue, servers and the doors import it. It imports comfyui, media, repositories and models.
"""
