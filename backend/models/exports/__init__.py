"""The film as editors see it: frame rates, the timeline in frames, cuts, what an export changes.

Everything above imports it. It imports the other models and utils.
"""
