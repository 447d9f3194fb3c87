"""What a clip's character and a style template bring into a generation.

Who wins, value by value: the request, then the clip's character, then the template. The
character comes before the template because its values are what its LoRA and its face need,
while a template is made without knowing either. LoRAs do not exclude one another: they add up,
and one that is named twice keeps the weight of whoever comes first and gives one. An empty
negative prompt, a null and an empty list count as left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from backend.dtos.generation_dto import GenerationParamsDTO, LoraDTO, RenderOrderDTO
from backend.models.character import Character
from backend.models.clip import Clip
from backend.models.content import ContentType
from backend.models.style_template import StyleTemplate
from backend.repositories.character_repository import CharacterRepository
from backend.repositories.template_repository import TemplateRepository
from backend.services.character_words import own_prompt, with_words


@dataclass(frozen=True)
class RenderContext:
    """Both are None for most clips: then an order stays as it is."""

    character: Character | None = None
    template: StyleTemplate | None = None

    def apply(self, order: RenderOrderDTO) -> RenderOrderDTO:
        """Complete an order. Pure; doing it again changes nothing more.

        `order.prompt` is the prompt to render, the clip's own filled in already: the character's
        words are added where it lacks them. An empty one stays empty.
        """
        if self.character is None and self.template is None:
            return order
        return order.model_copy(
            update={
                "prompt": self._prompt(order.prompt),
                "negative_prompt": self._negative_prompt(order.negative_prompt),
                "model": order.model or (self.template.model if self.template else None),
                "lora": None,
                "loras": self._loras(order),
                "params": self._params(order.params),
            }
        )

    def _prompt(self, prompt: str) -> str:
        if self.character is None or not prompt.strip():
            return prompt
        return with_words(prompt, self.character)[0]

    def _negative_prompt(self, own: str) -> str:
        return own if own.strip() or self.template is None else self.template.negative_prompt

    def _loras(self, order: RenderOrderDTO) -> list[LoraDTO]:
        own = [*([LoraDTO(name=order.lora)] if order.lora else []), *order.loras]
        brought: dict[str, LoraDTO] = {}
        for lora in self._brought_loras():
            brought.setdefault(_same_file(lora.name), lora)
        named = [_weighed(lora, brought.pop(_same_file(lora.name), None)) for lora in own]
        return [*named, *brought.values()]

    def _brought_loras(self) -> Iterator[LoraDTO]:
        character, template = self.character, self.template
        if character is not None and character.lora:
            yield LoraDTO(name=character.lora, weight=character.lora_weight)
        for lora in template.loras if template else ():
            yield LoraDTO(name=lora.name, weight=lora.weight)

    def _params(self, own: GenerationParamsDTO) -> GenerationParamsDTO:
        brought: dict[str, Any] = {}
        if self.template:
            brought |= _given(self.template.params)
        if self.character:
            if self.character.reference:
                brought["input_reference_url"] = self.character.reference
            brought |= _given(self.character.generation_params)
        said = {name for name in own.model_fields_set if getattr(own, name) is not None}
        missing = {name: value for name, value in brought.items() if name not in said}
        return own.model_copy(update=missing) if missing else own


@dataclass(frozen=True)
class RenderContexts:
    """The contexts of one request's clips."""

    template: StyleTemplate | None = None
    characters: Mapping[str, Character] = field(default_factory=dict)

    def of(self, clip: Clip) -> RenderContext:
        """A character that was deleted, or that belongs to another project, brings nothing."""
        character = self.characters.get(clip.character_id or "")
        if character is not None and not character.fits(clip.project_id):
            character = None
        return RenderContext(character, self.template)

    def order_for(self, clip: Clip, kind: ContentType, order: RenderOrderDTO) -> RenderOrderDTO:
        """The order as it is to be rendered for a clip: prompt, character and template filled in.

        Its prompt is the request's, else the clip's own; empty when there is neither.
        """
        prompt = order.prompt.strip() or own_prompt(clip, kind)
        return self.of(clip).apply(order.model_copy(update={"prompt": prompt}))

    @classmethod
    def made_of(cls, template: StyleTemplate | None, characters: Iterable[Character]) -> Self:
        return cls(template, {character.id: character for character in characters})


class RenderContextLoader:
    def __init__(self, characters: CharacterRepository, templates: TemplateRepository) -> None:
        self._characters = characters
        self._templates = templates

    async def load(self, clips: Iterable[Clip], template_id: str | None = None) -> RenderContexts:
        """One read for the template and one for all characters, however many clips.

        ResourceNotFoundError (TEMPLATE_NOT_FOUND) for an unknown template.
        """
        template = await self._templates.get(template_id) if template_id else None
        wanted = {clip.character_id for clip in clips if clip.character_id}
        characters = await self._characters.list_by_ids(wanted) if wanted else []
        return RenderContexts.made_of(template, characters)


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _weighed(own: LoraDTO, brought: LoraDTO | None) -> LoraDTO:
    """A request that names a LoRA without a weight takes the weight that comes with it."""
    if brought is None or "weight" in own.model_fields_set:
        return own
    return LoraDTO(name=own.name, weight=brought.weight)


def _same_file(name: str) -> str:
    """Servers on Windows write the same file with backslashes and any case."""
    return name.replace("\\", "/").casefold()
