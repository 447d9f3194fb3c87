"""Writers, one file a format: pure functions from a timeline to bytes.

`exports` and its rooms import it. It imports models and utils.
"""
