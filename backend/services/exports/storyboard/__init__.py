"""The storyboard as pages: web page, PDF, fonts and pictures.

`exports` and the api import it. It imports `exports.film`, the formats, media and models.
"""
