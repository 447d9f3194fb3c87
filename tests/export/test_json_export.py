import json
from typing import Any

from hypothesis import given

from backend.models.clip import Clip
from backend.models.project import Project
from backend.services.exports.formats import json_export
from tests.export.films import Film, film, films, make_clip, modes, still


def _written(found: Film, **mode: Any) -> dict[str, Any]:
    body = json_export.write(
        found.timeline(**mode), project=found.project, scenes=found.scenes, clips=found.clips
    )
    document: dict[str, Any] = json.loads(body)
    return document


@given(films(), modes())
def test_everything_comes_back(random: Film, mode: dict[str, Any]) -> None:
    document = _written(random, **mode)
    assert (document["format"], document["version"]) == ("storycanvas", 1)
    assert Project.model_validate(document["project"]) == random.project
    assert [Clip.model_validate(clip) for clip in document["clips"]] == random.clips
    assert len(document["scenes"]) == len(random.scenes)


@given(films(), modes())
def test_the_timeline_is_in_frames_and_refers_to_its_media(
    random: Film, mode: dict[str, Any]
) -> None:
    timeline = _written(random, **mode)["timeline"]
    known = {media["id"] for media in timeline["media"]}
    end = 0
    for item in timeline["items"]:
        assert item["record_in"] == end
        assert item["type"] == "gap" or item["media_id"] in known
        end = item["record_out"]
    assert end == timeline["total_frames"]


def test_problems_and_rate_are_told() -> None:
    found = film(make_clip("a", still()), make_clip("b", still("i2")), fps=23.976)
    timeline = _written(found)["timeline"]
    assert timeline["rate"] == {"numerator": 24000, "denominator": 1001}
    assert [problem["code"] for problem in timeline["problems"]] == ["overlap"]
    assert timeline["media"][0]["path"] == "images/i1.png"
