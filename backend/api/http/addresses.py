"""Addresses that the middleware and the pages agree upon."""

#: Where the page's own files are served; they tell nothing of anybody's work.
STATIC = "/static-live"
