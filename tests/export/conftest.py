"""Random films differ in size, and so does the load of the machines that try them."""

from hypothesis import settings

settings.register_profile("exports", deadline=None)
settings.load_profile("exports")
