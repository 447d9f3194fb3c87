"""The queue of jobs: dispatcher, leadership, backlog, admission, retries, delivery, late results.

The entry services, generation, workers and monitoring import it. It imports film, servers,
workflows, comfyui, media and events.
"""
