"""The planner: pure functions from the backlog, the servers and what was learnt to assignments.

The queue and monitoring import it. It imports `queue.backlog` alone: no repository, no clock, no
await.
"""
