"""Frozen values with their rules: what a film is made of, jobs and their legal moves.

Everything above imports it. It imports utils alone.
"""
