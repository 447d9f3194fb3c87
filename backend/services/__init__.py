"""The rules. Each file of this folder is the entry to a subject, the packages hold the parts.

The api and the wiring import it. It imports repositories, DTOs, models and utils, and no web
framework.
"""
