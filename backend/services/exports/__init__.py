"""What is made of the film: timelines, preflight, packages, animatics, timing from a cut.

`export_service` and the api import it. It imports film, media and events, and knows no queue.
`FilmTimelines` loads a film, builds its timeline and locates its media for all of them.
"""
