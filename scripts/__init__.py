"""The commands of StoryCanvas; run them as files: `python3 scripts/run.py`."""
