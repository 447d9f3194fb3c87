"""Readers of edited cuts: EDL, FCPXML, OTIO.

`exports` imports it. It imports the formats, models and utils.
"""
