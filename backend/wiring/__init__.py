"""The parts of the container, file by file, and what runs beside the requests.

The container imports it. It imports everything below it, and the settings and the database.
"""
