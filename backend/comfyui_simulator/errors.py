"""What the simulator raises on purpose."""


class InternalError(Exception):
    """The real server fails here with an unhandled exception: 500, plain text."""


class NodeError(Exception):
    """A node fails in execution. `kind` is the Python class the real server would name."""

    def __init__(self, message: str, *, kind: str = "RuntimeError") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


class InterruptedJobError(Exception):
    """/interrupt took effect."""
