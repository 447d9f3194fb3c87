"""What the demo's film is about: two scenes, six clips, twenty seconds."""

from typing import NamedTuple


class Shot(NamedTuple):
    """`seconds` is the clip's length. A `video_prompt` asks for a video on top of the image."""

    name: str
    seconds: float
    image_prompt: str
    video_prompt: str = ""


class Act(NamedTuple):
    name: str
    lyrics: str
    shots: tuple[Shot, ...]


_LOOK = "at night, rain, neon reflections, 35 mm film still"

STORY: tuple[Act, ...] = (
    Act(
        "The city",
        "Leave the lights on, leave the keys",
        (
            Shot("Wide: wet street", 4.0, f"an empty city street {_LOOK}, wide shot"),
            Shot("Close: the wheel", 3.0, f"hands on a steering wheel {_LOOK}, close-up"),
            Shot("In the mirror", 3.0, f"tired eyes in a rear-view mirror {_LOOK}, close-up"),
        ),
    ),
    Act(
        "The sea",
        "And the road becomes the water",
        (
            Shot("Coast road", 4.0, f"a red car on a coast road {_LOOK}, seen from above"),
            Shot(
                "Headlights",
                2.0,
                f"headlights of a red car coming closer {_LOOK}",
                "headlights of a red car come closer through the rain, slow dolly in, night",
            ),
            Shot("Dawn", 4.0, "a red car parked at the sea, first light of dawn, calm, wide shot"),
        ),
    ),
)

SECONDS = sum(shot.seconds for act in STORY for shot in act.shots)
