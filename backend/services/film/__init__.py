"""What a film is made of: scenes, clips, timelines, characters, templates, pool, saved workflows.

Exports, generation, queue, workers, the entry services and the api import it. It imports media,
workflows, repositories and DTOs, and knows no queue.
"""
