"""Which file a clip shows, and how long that file is in frames of the timeline."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.models.exports.frame_rate import RATES, FrameRate
from backend.models.exports.timeline import Audio, Media, MediaKind, ProblemCode
from backend.models.project import Project
from backend.services.exports.formats.names import media_name, music_name

MediaMode = Literal["selected", "placeholder"]
#: What follows a video that ends before its clip does.
ShortVideo = Literal["gap", "hold"]

#: The key of the music's facts among those of the takes.
MUSIC = "music"


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What probing a file told. `frames` counts its own pictures at its own `fps`.

    `duration` is seconds; `fault` says why the file can't be shown: it is missing, empty or
    damaged.
    """

    width: int | None = None
    height: int | None = None
    duration: float | None = None
    fps: float | None = None
    frames: int | None = None
    audio: Audio | None = None
    fault: ProblemCode | None = None

    @classmethod
    def of(cls, take: GeneratedContent, *, fault: ProblemCode | None = None) -> "MediaFacts":
        """What the take's document says: its file was probed when it was delivered."""
        return cls(take.width, take.height, take.duration, take.fps, fault=fault)


def shown_takes(clip: Clip) -> Iterator[GeneratedContent]:
    """The takes a clip may show, the best first: its selected video, then its image."""
    for kind in (ContentType.VIDEO, ContentType.IMAGE):
        take = clip.selected(kind)
        if take is not None:
            yield take


@dataclass(frozen=True, slots=True)
class MediaMaker:
    """Makes the Media of takes for one timeline."""

    rate: FrameRate
    size: tuple[int, int]
    facts: Mapping[str, MediaFacts]

    def facts_of(self, take: GeneratedContent) -> MediaFacts:
        return self.facts.get(take.id) or MediaFacts.of(take)

    def take(
        self, take: GeneratedContent, facts: MediaFacts, clip: Clip, place: tuple[int, int]
    ) -> Media | None:
        """None for a video of unknown length: nothing may be read past its end."""
        is_video = take.content_type is ContentType.VIDEO
        frames = self._frames(facts) if is_video else 0
        if is_video and frames < 1:
            return None
        return Media(
            id=take.id,
            kind=MediaKind.VIDEO if is_video else MediaKind.STILL,
            path=take.path,
            name=media_name(place, clip.name, media_id=take.id, path=take.path),
            width=facts.width or self.size[0],
            height=facts.height or self.size[1],
            frames=frames,
            audio=facts.audio if is_video else None,
        )

    def placeholder(self, clip: Clip, place: tuple[int, int]) -> Media:
        """A card with the clip's name, in the size of the timeline; its file is drawn later."""
        media_id = f"placeholder:{clip.id}"
        name = media_name(place, clip.name, media_id=media_id, path="card.png")
        width, height = self.size
        return Media(media_id, MediaKind.STILL, None, name, width, height, label=clip.name)

    def music_facts(self, project: Project) -> MediaFacts:
        return self.facts.get(MUSIC) or MediaFacts(duration=project.music_duration)

    def music(self, project: Project) -> Media | None:
        """None without a file, or when its length is unknown."""
        facts = self.music_facts(project)
        frames = self._frames(facts)
        if not project.music_file_path or frames < 1:
            return None
        path = project.music_file_path
        audio = facts.audio or Audio()
        return Media(MUSIC, MediaKind.AUDIO, path, music_name(path), frames=frames, audio=audio)

    def _frames(self, facts: MediaFacts) -> int:
        """Whole timeline frames in a file's running time.

        A video of another rate is described as if it had been conformed to the timeline's:
        same seconds, floored to whole frames. AI rates such as 16 fps have no place in
        FCPXML's conform-rate nor in SMPTE timecode, so no file can state them.
        """
        return _frames_on(self.rate, facts.duration, facts.fps, facts.frames)


@lru_cache(maxsize=4096)  # the takes of one model are all of a few lengths
def _frames_on(
    rate: FrameRate, duration: float | None, fps: float | None, frames: int | None
) -> int:
    seconds = _exact_seconds(duration, _exact_fps(fps) if fps and fps >= 0.1 else None, frames)
    return 0 if seconds is None else rate.whole_frames(seconds)


def _exact_seconds(
    duration: float | None, fps: Fraction | None, frames: int | None
) -> Fraction | None:
    if fps and frames is not None:
        return frames / fps
    if duration is None:
        return None
    # A duration is often stored rounded (5.083 for 122/24); the count it came from is exact.
    counted = round(duration * float(fps)) if fps else 0
    if fps and abs(duration * float(fps) - counted) < 0.05:
        return counted / fps
    return Fraction(duration).limit_denominator(1_000_000)


@lru_cache(maxsize=64)
def _exact_fps(fps: float) -> Fraction:
    known = (rate.exact for rate in RATES if abs(rate.fps - fps) < 0.005)
    return next(known, Fraction(fps).limit_denominator(1001))
