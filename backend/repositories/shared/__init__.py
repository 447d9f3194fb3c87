"""What several repositories share: translated errors, lists by age, JSON fields, late totals.

Repositories import it. It imports the base repository, models and utils.
"""
