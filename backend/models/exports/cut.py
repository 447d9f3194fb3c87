"""An edited film as an editor hands it back: what is shown when, in exact seconds."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class CutItem:
    """One stretch of picture; times are seconds from the film's first frame.

    `names` are what it may be known by, the best first: file names, then titles. `source_in` is
    seconds into its file, None where the format does not tell.
    """

    names: tuple[str, ...]
    start: Fraction
    duration: Fraction
    clip_id: str | None = None
    source_in: Fraction | None = None
    has_speed: bool = False

    @property
    def end(self) -> Fraction:
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class Cut:
    """`format` is edl, fcpxml or otio; items by their start."""

    format: str
    items: tuple[CutItem, ...]
