"""What every request passes: middleware, errors, bodies, uploads, logs, metrics, the manual.

The other rooms of the api, the server and the wiring import it. It imports services and DTOs, and
no router.
"""
