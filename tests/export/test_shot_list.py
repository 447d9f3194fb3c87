"""The shot list, read back by Python's own csv."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given

from backend.models.exports.timeline import ClipItem
from backend.services.exports.formats import shot_list
from backend.services.exports.formats.names import xml_text
from tests.export.films import Film, film, films, make_clip, modes, still


def _rows(found: Film, **mode: Any) -> list[dict[str, str]]:
    timeline = found.timeline(**mode)
    body = shot_list.write(timeline, scenes=found.scenes, clips=found.clips)
    text = body.decode("utf-8-sig")
    assert body.startswith("\ufeff".encode())
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert len(rows) == sum(item.clip_id is not None for item in timeline.items)
    return rows


@given(films(), modes())
def test_every_clip_is_a_row_in_order(random: Film, mode: dict[str, Any]) -> None:
    timeline = random.timeline(**mode)
    rows = _rows(random, **mode)
    shown = [item for item in timeline.items if item.clip_id]
    at = timeline.rate.parse_timecode
    hour = timeline.rate.hour(drop_frame=timeline.drop_frame)
    for number, (row, item) in enumerate(zip(rows, shown, strict=True), start=1):
        assert row["shot"] == str(number)
        assert row["clip_id"] == item.clip_id
        assert (at(row["record_in"]) - hour, at(row["record_out"]) - hour) == (
            item.offset,
            item.end,
        )
        assert int(row["length_frames"]) == item.duration
        assert row["media"] == (item.media.name if isinstance(item, ClipItem) else "")
        assert row["clip"].removeprefix("'") == xml_text(item.name).removeprefix("'")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_name_becomes_a_formula(name: str) -> None:
    (row,) = _rows(film(make_clip("a", still(), name=name)))
    assert row["clip"] == f"'{name}"


def test_problems_stand_beside_their_clip() -> None:
    (row,) = _rows(film(make_clip("a")))
    assert (row["kind"], row["problems"]) == ("nothing", "Clip 'Clip a' has nothing to show.")


def test_beyond_a_day_there_is_no_timecode() -> None:
    clips = [
        make_clip(f"c{n}", still(f"i{n}"), timeline_position=n * 10_000.0, length=10_000.0)
        for n in range(9)
    ]
    rows = _rows(film(*clips))
    assert rows[7]["record_in"] == "20:26:40:00"
    assert (rows[8]["record_in"], rows[8]["record_out"]) == ("23:13:20:00", "")
    assert rows[8]["start_seconds"] == "80000.000000"
