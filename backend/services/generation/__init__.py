"""From a request to jobs: who could make it, what characters bring, batches, graphs of takes.

The doors, the api and the wiring import it. It imports film, queue, servers, workers, repositories
and DTOs.
"""
