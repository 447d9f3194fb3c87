"""The rules. Each file here is the entry service of a subject; the packages hold the parts.

The api and the wiring import it. It imports repositories, DTOs, models and utils, and no web
framework.
"""
