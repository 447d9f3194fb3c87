"""Graphs, one file a model family: from a recipe to the nodes, equal to ComfyUI's templates.

`workflows` imports it. It imports `workflows.graph` and `workflows.recipe`, and families.
"""
