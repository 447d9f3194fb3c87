"""What knows nothing of films or queues: errors, clock, ids, validators, small tools.

Everything imports it. It imports nothing of ours.
"""
