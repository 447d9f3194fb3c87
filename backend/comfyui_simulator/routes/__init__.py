"""The simulator's routes, one file for each group of ComfyUI's own.

The simulator imports it. It imports the simulator's parts.
"""
