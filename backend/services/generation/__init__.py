"""From a request to jobs: making and checking them, characters, batches, graphs, waiting.

The doors, the api and the wiring import it. It imports film, queue, servers, workers, repositories
and DTOs.
"""
