"""Media converted and drawn, in a process of its own that may be killed.

`exports` and the wiring import it. It imports the formats, media, models and utils.
"""
