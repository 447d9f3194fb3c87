"""What an export would leave out, change or refuse, said before it is made."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    #: The file can't be written right, so it is not written.
    ERROR = "error"
    #: The editor will show something else than the storyboard.
    WARNING = "warning"
    #: Worth knowing.
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class FindingPlace:
    """Where a finding was made; `clip_id` is None for what belongs to no clip."""

    clip_id: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """`count` is of all places, of which `places` has the first."""

    code: str
    severity: Severity
    message: str
    advice: str
    count: int = 1
    places: tuple[FindingPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class Preflight:
    """`events` counts clips with media, the music included; `parts` the files of an EDL."""

    project_id: str
    format: str
    total_frames: int
    duration: float
    events: int
    parts: int
    findings: tuple[Finding, ...]

    @property
    def can_export(self) -> bool:
        return all(finding.severity is not Severity.ERROR for finding in self.findings)
