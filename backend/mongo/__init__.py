"""What stands beside the database manager: embedded server and its guard, indexes, outage watch.

`database.py` and the server import it. It imports utils, and nothing of the product.
"""
