"""The rules. The files of this folder are the doors of their subjects, the rooms hold the parts.

The api and the wiring import it. It imports repositories, DTOs, models and utils, and no web
framework.
"""
