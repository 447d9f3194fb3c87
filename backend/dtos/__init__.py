"""The wire: what requests may carry and answers give, with limits, descriptions and examples.

The api and services import it. It imports models and utils.
"""
