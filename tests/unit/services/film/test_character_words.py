"""A character's words in a prompt: in once, out without a trace, whatever was written around."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.models.character import AddedWords, Character
from backend.models.clip import Clip
from backend.models.content import ContentType
from backend.services.film.character_words import (
    applied,
    own_prompt,
    reassigned,
    terms_of,
    with_words,
    without_words,
)
from backend.utils.clock import utc_now

NOW = utc_now()


def character(trigger: str = "", style: str = "", **fields: object) -> Character:
    values = {"id": "c", "name": "Mara", "created_at": NOW, "updated_at": NOW, **fields}
    return Character.model_validate({**values, "trigger_words": trigger, "style_notes": style})


def clip(image: str = "", video: str = "") -> Clip:
    return Clip(
        id="k", scene_id="s", project_id="p", name="Clip", created_at=NOW, updated_at=NOW,
        image_prompt=image, video_prompt=video,
    )  # fmt: skip


def changed(before: Clip, changes: dict[str, object]) -> Clip:
    return Clip.model_validate({**before.model_dump(), **changes})


MARA = character("ohwx woman, red scarf", "freckles, film grain")
JUN = character("jun man", "noir", id="j")

#: Text with what matters here: commas, brackets, spaces, words that are also terms.
texts = st.text(alphabet="ab ,.()<>:1\n", max_size=30) | st.text(max_size=20)
characters = st.builds(character, texts, texts)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        (" , ,, ", ()),
        ("ohwx", ("ohwx",)),
        (" ohwx  woman ,\nred scarf, ohwx woman", ("ohwx woman", "red scarf")),
        ("(red hair, blue eyes:1.2), <lora:x, y>", ("(red hair, blue eyes:1.2)", "<lora:x, y>")),
        ("a), b", ("a)", "b")),
        ("(a, b", ("(a, b",)),
    ],
)
def test_terms(text: str, terms: tuple[str, ...]) -> None:
    assert terms_of(text) == terms


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a car", "ohwx woman, red scarf, a car, freckles, film grain"),
        ("", "ohwx woman, red scarf, freckles, film grain"),
        ("OHWX  Woman in a car", "red scarf, OHWX  Woman in a car, freckles, film grain"),
        ("(ohwx woman:1.3), freckles", "red scarf, (ohwx woman:1.3), freckles, film grain"),
        ("ohwx womanly", "ohwx woman, red scarf, ohwx womanly, freckles, film grain"),
    ],
)
def test_adds_what_the_prompt_lacks(prompt: str, expected: str) -> None:
    text, added = with_words(prompt, MARA)
    assert text == expected
    assert without_words(text, added) == prompt


@pytest.mark.parametrize(
    ("edited", "left"),
    [
        ("close-up of ohwx woman, red scarf, a car, film grain, freckles, rain",
         "close-up of, a car, rain"),
        ("a car, ohwx woman, red scarf", "a car"),
        ("(ohwx woman:1.3), (red scarf), a car, freckles, film grain", "a car"),
        ("a car", "a car"),
        ("", ""),
        ("ohwx woman", ""),
        ("ohwx woman walks, a red scarfed man", "walks, a red scarfed man"),
        ("ohwx woman, red scarf, freckles, film grain, a car", "a car"),
        ("ohwx woman, red scarf, a new car at night, freckles, film grain", "a new car at night"),
    ],
)  # fmt: skip
def test_takes_out_what_it_added_wherever_it_is_now(edited: str, left: str) -> None:
    _, added = with_words("a car", MARA)
    assert without_words(edited, added) == left


@given(texts, characters)
def test_in_and_out_is_the_same_to_the_letter(prompt: str, someone: Character) -> None:
    text, added = with_words(prompt, someone)
    assert without_words(text, added) == (prompt if prompt.strip() else "")


@given(texts, characters)
def test_a_prompt_is_completed_once(prompt: str, someone: Character) -> None:
    text, _ = with_words(prompt, someone)
    assert with_words(text, someone) == (text, AddedWords())
    for term in (*terms_of(someone.trigger_words), *terms_of(someone.style_notes)):
        assert term.casefold() in " ".join(text.split()).casefold()


@given(texts, texts, characters, characters)
def test_another_character_replaces_the_first(
    image: str, video: str, first: Character, second: Character
) -> None:
    bare = clip(image.strip(), video.strip())
    second = second.model_copy(update={"id": "d"})
    once = changed(bare, applied(bare, first))
    assert applied(once, first) == {}
    both = changed(once, applied(once, second))
    alone = changed(bare, applied(bare, second))
    assert both == alone
    out = changed(both, reassigned(both, {"character_id": None}))
    assert out == bare


def test_an_edited_character_is_applied_anew_and_still_goes_whole() -> None:
    first = changed(clip("a car"), applied(clip("a car"), MARA))
    edited = character("ohwx woman, blue coat", "")
    again = changed(first, applied(first, edited))
    assert again.image_prompt == "ohwx woman, blue coat, a car"
    assert again.video_prompt == "ohwx woman, blue coat"
    assert reassigned(first, {"character_id": None})["image_prompt"] == "a car"


def test_words_that_were_deleted_come_back_when_it_is_applied_again() -> None:
    first = changed(clip("a car"), applied(clip("a car"), MARA))
    cut = changed(first, {"image_prompt": "ohwx woman, a bus"})
    again = changed(cut, applied(cut, MARA))
    assert again.image_prompt == "ohwx woman, red scarf, a bus, freckles, film grain"


def test_words_of_ones_own_stay() -> None:
    own = clip("noir, a car", "dolly in")
    with_jun = changed(own, applied(own, JUN))
    assert with_jun.image_prompt == "jun man, noir, a car"
    assert reassigned(with_jun, {"character_id": None, "name": "x"}) == {
        "character_id": None, "name": "x", "character_words": None,
        "image_prompt": "noir, a car", "video_prompt": "dolly in",
    }  # fmt: skip


def test_an_edit_may_bring_a_prompt_and_send_the_character_away() -> None:
    with_jun = changed(clip("a car"), applied(clip("a car"), JUN))
    changes = {"character_id": "other", "image_prompt": "jun man, a boat, noir"}
    assert reassigned(with_jun, changes)["image_prompt"] == "a boat"
    same = {"character_id": "j", "image_prompt": "anything"}
    assert reassigned(with_jun, same) == same


def test_a_video_prompt_of_words_alone_gives_way_to_the_image_prompt() -> None:
    with_jun = changed(clip("a car"), applied(clip("a car"), JUN))
    assert with_jun.video_prompt == "jun man, noir"
    assert own_prompt(with_jun, ContentType.VIDEO) == "jun man, a car, noir"
    told = changed(with_jun, {"video_prompt": "jun man, dolly in, noir"})
    assert own_prompt(told, ContentType.VIDEO) == "jun man, dolly in, noir"
    empty = changed(clip(), applied(clip(), JUN))
    assert own_prompt(empty, ContentType.VIDEO) == "jun man, noir"
    assert own_prompt(empty, ContentType.IMAGE) == "jun man, noir"
    assert own_prompt(clip("a"), ContentType.VIDEO) == "a"
    assert own_prompt(clip(video="v"), ContentType.IMAGE) == ""
