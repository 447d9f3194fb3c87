"""The only files that spell a document's fields, one for each collection.

Services and the wiring import it. It imports models and utils, and the driver's errors.
"""
