"""The wire of what leaves for editors and comes back: preflight, animatic, cuts, project files.

The api and services import it. It imports the other DTOs, models and utils.
"""
