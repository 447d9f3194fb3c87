"""The documents kept in golden/. `python -m tests.export.golden_films` writes them anew.

Look at the difference before it is kept: each line of these files is what an editor imports.
"""

from pathlib import Path

from backend.models.exports.timeline import Audio
from backend.services.exports.formats import edl, fcpxml, json_export, otio_export, shot_list, xmeml
from backend.services.exports.timeline_media import MUSIC, MediaFacts
from tests.export.films import Film, film, make_clip, make_scene, still, video

FOLDER = Path(__file__).parent / "golden"


def short_film(fps: float, *, drop_frame: bool = False) -> Film:
    """Two scenes: a still, a hole, a trimmed and a short video, an overlap, a clip of nothing."""
    clips = (
        make_clip("c1", still(), name="Rooftop & <rain>", lyrics="First line", length=2.5),
        make_clip("c2", video(), name="Zoë läuft", timeline_position=3.0, length=2.0),
        make_clip("c3", video("v2", duration=1.5, fps=24.0), timeline_position=4.5, length=3.0),
        make_clip("c4", scene_id="s2", name="夜の屋上", image_prompt="a roof", length=1.0),
        make_clip("c5", still("i2"), scene_id="s2", timeline_position=1.0, length=1.001),
        make_clip("c6", still("i3"), scene_id="s2", is_alternate=True, length=1.0),
    )
    scenes = [make_scene("s1", name="Dawn", description="Cold light"), make_scene("s2", order=1)]
    project = {"name": "Night Train", "music_file_path": "music/song.mp3"}
    found = film(*clips, scenes=scenes, fps=fps, drop_frame=drop_frame, **project)
    song = MediaFacts(duration=63.5, audio=Audio(2, 44100))
    speech = MediaFacts(832, 480, 5.0625, 16.0, 81, Audio(1, 48000))
    return found.with_facts(v1=speech, **{MUSIC: song})


def documents() -> dict[str, bytes]:
    film24, film2997 = short_film(24), short_film(29.97, drop_frame=True)
    plain, drop = film24.timeline(), film2997.timeline()
    full = film24.timeline(include_alternates=True, media_mode="placeholder")
    return {
        "film_24.fcpxml": fcpxml.write(plain),
        "film_24_resolve.fcpxml": fcpxml.write(plain, variant="resolve", media_root="/Media 1"),
        "film_24_alternates.fcpxml": fcpxml.write(full),
        "film_2997df.fcpxml": fcpxml.write(drop),
        "film_24.edl": edl.write(plain)[0],
        "film_24_reels.edl": edl.write(plain, unique_reels=True)[0],
        "film_2997df.edl": edl.write(drop)[0],
        "film_24.xml": xmeml.write(plain),
        "film_24_root.xml": xmeml.write(full, media_root="C:\\Media 1"),
        "film_2997df.xml": xmeml.write(drop),
        "film_24.otio": otio_export.write(plain),
        "film_2997df.otio": otio_export.write(drop, media_root="/Media 1"),
        "film_24.csv": shot_list.write(plain, scenes=film24.scenes, clips=film24.clips),
        "film_24.json": json_export.write(
            plain, project=film24.project, scenes=film24.scenes, clips=film24.clips
        ),
    }


if __name__ == "__main__":
    for name, body in documents().items():
        (FOLDER / name).write_bytes(body)
