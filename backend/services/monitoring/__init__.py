"""What people and machines see of the work: health, the queue's view, the live page.

The api and the wiring import it. It imports queue, servers, workers and media, and changes nothing.
"""
