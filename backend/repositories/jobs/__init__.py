"""Jobs in the database: guarded moves, queries, light rows, kept totals and their recount.

Services import `repository` and `rows`; the rest is its own. It imports the base repository, models
and utils.
"""
