"""External machines that pull jobs: matching, leases, reports, their files.

The api, generation and monitoring import it. It imports queue, servers, film, comfyui, media and
families.
"""
