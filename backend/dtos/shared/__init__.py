"""What DTOs share: base classes, common shapes, JSON within bounds, ids for examples.

DTOs and the api import it. It imports models and utils.
"""
