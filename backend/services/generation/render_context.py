"""Completes a request by what a clip's character and a style template bring.

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
from backend.models.saved_workflow import SavedWorkflow
from backend.models.style_template import StyleTemplate
from backend.repositories.character_repository import CharacterRepository
from backend.repositories.template_repository import TemplateRepository
from backend.repositories.workflow_repository import WorkflowRepository
from backend.services.film.character_words import own_prompt, with_words
from backend.utils.errors import ResourceNotFoundError, UnprocessableError

#: Each excludes the other: of a request's and a template's graphs, one is rendered.
_GRAPHS = frozenset({"workflow_id", "workflow_json"})


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
            brought = _over(_given(self.character.generation_params), brought)
        said = {name: getattr(own, name) for name in own.model_fields_set}
        both = _over(_given(said), brought)
        missing = {name: value for name, value in both.items() if said.get(name) is None}
        return own.model_copy(update=missing) if missing else own


@dataclass(frozen=True)
class RenderContexts:
    """The contexts of one request's clips, and the saved workflows that they name."""

    template: StyleTemplate | None = None
    characters: Mapping[str, Character] = field(default_factory=dict)
    workflows: Mapping[str, SavedWorkflow] = field(default_factory=dict)

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

    def workflow_for(self, clip: Clip, params: GenerationParamsDTO) -> SavedWorkflow | None:
        """The saved workflow of a completed order; None when it names none.

        UnprocessableError for one of another project, and for one that is gone.
        """
        if params.workflow_id is None:
            return None
        workflow = self.workflows.get(params.workflow_id)
        if workflow is None:
            raise UnprocessableError(
                f"The saved workflow '{params.workflow_id}' is gone.", code="WORKFLOW_GONE"
            )
        if workflow.project_id != clip.project_id:
            raise UnprocessableError(
                f"The saved workflow '{workflow.name}' belongs to another project.",
                code="WORKFLOW_OF_ANOTHER_PROJECT",
            )
        return workflow

    @classmethod
    def made_of(
        cls,
        template: StyleTemplate | None,
        characters: Iterable[Character],
        workflows: Iterable[SavedWorkflow] = (),
    ) -> Self:
        return cls(
            template,
            {character.id: character for character in characters},
            {workflow.id: workflow for workflow in workflows},
        )


class RenderContextLoader:
    def __init__(
        self,
        characters: CharacterRepository,
        templates: TemplateRepository,
        workflows: WorkflowRepository,
    ) -> None:
        self._characters = characters
        self._templates = templates
        self._workflows = workflows

    async def load(self, clips: Iterable[Clip], order: RenderOrderDTO) -> RenderContexts:
        """One read for the template and one for all characters, however many clips.

        ResourceNotFoundError (TEMPLATE_NOT_FOUND, WORKFLOW_NOT_FOUND) for what the order names
        and is not there.
        """
        template = await self._templates.get(order.template_id) if order.template_id else None
        wanted = {clip.character_id for clip in clips if clip.character_id}
        characters = await self._characters.list_by_ids(wanted) if wanted else []
        kept = [character.generation_params for character in characters]
        kept += [template.params] if template else []
        workflows = await self._load_workflows(order.params.workflow_id, kept)
        return RenderContexts.made_of(template, characters, workflows)

    async def _load_workflows(
        self, asked: str | None, kept: Iterable[Mapping[str, Any]]
    ) -> list[SavedWorkflow]:
        """What the order asks for must be there; what else names one may never be rendered."""
        named = {str(params["workflow_id"]) for params in kept if params.get("workflow_id")}
        wanted = named | ({asked} if asked else set())
        found = await self._workflows.list_by_ids(wanted) if wanted else []
        if asked and all(workflow.id != asked for workflow in found):
            raise ResourceNotFoundError.of("workflow", asked)
        return found


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _over(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others; who says which graph to render leaves no other one."""
    said = upper.keys() & _GRAPHS or upper.get("use_custom_workflow") is False
    left = {name: value for name, value in lower.items() if not (said and name in _GRAPHS)}
    return {**left, **upper}


def _weighed(own: LoraDTO, brought: LoraDTO | None) -> LoraDTO:
    """A request that names a LoRA without a weight takes the weight that comes with it."""
    if brought is None or "weight" in own.model_fields_set:
        return own
    return LoraDTO(name=own.name, weight=brought.weight)


def _same_file(name: str) -> str:
    """Servers on Windows write the same file with backslashes and any case."""
    return name.replace("\\", "/").casefold()
