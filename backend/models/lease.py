"""The right to drive the ComfyUI servers: one process has it at a time."""

from backend.models.base import FrozenModel


class Lease(FrozenModel):
    """`fence` grows each time the lease changes hands, `beat` with each renewal.

    No time is stored: clocks of machines differ. Who waits for the lease sees whether it beats.
    """

    id: str
    owner: str
    #: Host, process namespace and process id, by which a neighbour tells that the owner is gone.
    place: str = ""
    fence: int = 0
    beat: int = 0
    released: bool = False
