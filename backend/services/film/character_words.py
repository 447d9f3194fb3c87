"""Puts a character's words into a prompt, finds them again, and takes them out. Pure.

Words are terms between commas. Trigger words go before the prompt, where text encoders weigh
them most, style notes behind it. What a prompt says already is not added, and so is not taken
out later: only what was added goes.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from backend.models.character import AddedWords, Character, CharacterWords
from backend.models.clip import Clip
from backend.models.content import ContentType

_OPENING, _CLOSING = frozenset("([{<"), frozenset(")]}>")


@lru_cache(maxsize=1024)
def terms_of(text: str) -> tuple[str, ...]:
    """Split at commas outside brackets, so that `(red hair, blue eyes:1.2)` stays one term."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in _OPENING) - (char in _CLOSING and depth > 0)
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return tuple(dict.fromkeys(term for part in parts if (term := " ".join(part.split()))))


def with_words(prompt: str, character: Character) -> tuple[str, AddedWords]:
    """Give the prompt with all of the character's words, and those that it did not have."""
    front = _missing(terms_of(character.trigger_words), prompt)
    text = _joined(front, prompt, ())
    back = _missing(terms_of(character.style_notes), text)
    return _joined((), text, back), AddedWords(front=front, back=back)


def own_words(character: Character) -> str:
    """Say in a prompt what the character looks like; empty when nothing is known of it."""
    return with_words(character.description.strip(), character)[0]


def without_words(prompt: str, added: AddedWords) -> str:
    """Take added words out again, wherever edits have moved them; all other text stays.

    A prompt that nobody edited becomes what it was, to the letter.
    """
    front, back = ", ".join(added.front), ", ".join(added.back)
    if prompt.strip() == ", ".join(added.terms):
        return ""
    whole_front = not front or prompt.startswith(f"{front}, ")
    whole_back = not back or prompt.endswith(f", {back}")
    if front and whole_front:
        prompt = prompt[len(front) + 2 :]
    if back and whole_back:
        prompt = prompt[: -len(back) - 2]
    scattered = (*(() if whole_front else added.front), *(() if whole_back else added.back))
    # The longest first: "red scarf" must be gone before "scarf" is looked for.
    for term in sorted(scattered, key=len, reverse=True):
        prompt = _cut(prompt, term)
    return prompt


def applied(clip: Clip, character: Character) -> dict[str, Any]:
    """Give the fields of a clip that applying this character changes: none the second time."""
    if _is_applied(clip, character):
        return {}
    bare = _bare_prompts(clip, clip.image_prompt, clip.video_prompt)
    image_prompt, image = with_words(bare["image_prompt"], character)
    video_prompt, video = with_words(bare["video_prompt"], character)
    words = CharacterWords(character_id=character.id, image=image, video=video)
    return {
        "image_prompt": image_prompt,
        "video_prompt": video_prompt,
        "character_id": character.id,
        "character_words": words.model_dump(),
    }


def reassigned(clip: Clip, changes: dict[str, Any]) -> dict[str, Any]:
    """Complete the changes of an edit that names a character, or none, for this clip.

    The words of one that goes are taken out, also of prompts that the same edit brings.
    """
    words = clip.character_words
    if words is None or changes["character_id"] == words.character_id:
        return changes
    image = changes.get("image_prompt", clip.image_prompt)
    video = changes.get("video_prompt", clip.video_prompt)
    return {**changes, **_bare_prompts(clip, image, video), "character_words": None}


def own_prompt(clip: Clip, kind: ContentType) -> str:
    """The clip's prompt for a kind; a video prompt that says nothing of its own gives way.

    Words of a character alone are nothing of its own: then the image prompt, which has them too,
    says more.
    """
    if kind is ContentType.IMAGE:
        return clip.image_prompt
    bare = _bare_prompts(clip, clip.image_prompt, clip.video_prompt)["video_prompt"]
    return clip.video_prompt if bare.strip() else clip.image_prompt or clip.video_prompt


def _is_applied(clip: Clip, character: Character) -> bool:
    words = clip.character_words
    if clip.character_id != character.id or words is None or words.character_id != character.id:
        return False
    wanted = (*terms_of(character.trigger_words), *terms_of(character.style_notes))
    added = {*words.image.terms, *words.video.terms}
    prompts = (clip.image_prompt, clip.video_prompt)
    return added <= set(wanted) and not any(_missing(wanted, prompt) for prompt in prompts)


def _bare_prompts(clip: Clip, image: str, video: str) -> dict[str, str]:
    words = clip.character_words
    if words is not None:
        image, video = without_words(image, words.image), without_words(video, words.video)
    return {"image_prompt": image, "video_prompt": video}


def _missing(terms: Iterable[str], prompt: str) -> tuple[str, ...]:
    return tuple(term for term in terms if not _pattern(term).search(prompt))


def _joined(front: tuple[str, ...], prompt: str, back: tuple[str, ...]) -> str:
    return ", ".join((*front, *((prompt,) if prompt.strip() else ()), *back))


def _cut(prompt: str, term: str) -> str:
    """Take out the first occurrence, and with it the one comma that held it."""
    found = _pattern(term).search(prompt)
    if found is None:
        return prompt
    left, right = prompt[: found.start()].rstrip(), prompt[found.end() :].lstrip()
    if not left:
        return right.removeprefix(",").lstrip()
    if not right:
        return left.removesuffix(",").rstrip()
    if right.startswith(","):
        return left.removesuffix(",") + right
    return f"{left} {right}"


@lru_cache(maxsize=1024)
def _pattern(term: str) -> re.Pattern[str]:
    """The term as words of its own, in any case and spacing, plain or weighted: `(term:1.2)`."""
    body = r"\s+".join(re.escape(word) for word in term.split())
    before = r"(?<!\w)" if re.match(r"\w", term[0]) else ""
    after = r"(?!\w)" if re.match(r"\w", term[-1]) else ""
    return re.compile(rf"\(\s*{body}\s*(?::\s*[\d.]+\s*)?\)|{before}{body}{after}", re.IGNORECASE)
