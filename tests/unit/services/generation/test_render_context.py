"""What a character and a template bring into a generation, and that the request goes first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mongomock_motor import AsyncMongoMockClient

from backend.dtos.generation_dto import GenerationParamsDTO, RenderOrderDTO
from backend.models.character import Character
from backend.models.clip import Clip
from backend.models.content import ContentType
from backend.models.style_template import StyleTemplate
from backend.repositories.character_repository import CharacterRepository
from backend.repositories.template_repository import TemplateRepository
from backend.repositories.workflow_repository import WorkflowRepository
from backend.services.film.character_words import applied
from backend.services.generation.render_context import (
    RenderContext,
    RenderContextLoader,
    RenderContexts,
)
from backend.utils.clock import utc_now
from backend.utils.errors import ResourceNotFoundError

NOW = utc_now()
FACE = "/uploads/face.png"


def character(**fields: Any) -> Character:
    return Character(**{"id": "c", "name": "Mara", "created_at": NOW, "updated_at": NOW, **fields})


def template(**fields: Any) -> StyleTemplate:
    values = {"id": "t", "name": "Noir", "created_at": NOW, "updated_at": NOW, **fields}
    return StyleTemplate(**values)


def clip(**fields: Any) -> Clip:
    values = {"id": "k", "scene_id": "s", "project_id": "p", "name": "Clip", "created_at": NOW}
    return Clip(**{**values, "updated_at": NOW, **fields})


def order(**fields: Any) -> RenderOrderDTO:
    return RenderOrderDTO(**fields)


MARA = character(
    trigger_words="ohwx woman", style_notes="freckles", lora="faces/mara.safetensors",
    lora_weight=0.8, reference_images=("https://example.org/mara.png",), face_image=FACE,
    generation_params={"cfg": 6.5, "steps": 28, "sampler": None},
)  # fmt: skip
NOIR = template(
    model="sdxl.safetensors", negative_prompt="text",
    loras=[{"name": "grain.safetensors", "weight": 0.6}, {"name": "FACES\\Mara.safetensors"}],
    params={
        "steps": 40, "sampler": "euler", "scheduler": "karras",
        "input_reference_url": "/uploads/t",
    },
)  # fmt: skip
BOTH = RenderContext(MARA, NOIR)

files = st.sampled_from(["a.safetensors", "b.safetensors", "A.safetensors", "x/b.safetensors"])
loras = st.lists(
    st.fixed_dictionaries({"name": files}, optional={"weight": st.floats(-2, 2)}), max_size=3
)
words = st.text(alphabet="ab, (", max_size=12)
params = st.fixed_dictionaries(
    {},
    optional={
        "steps": st.integers(1, 200) | st.none(),
        "cfg": st.integers(0, 30) | st.none(),
        "seed": st.integers(-1, 99) | st.none(),
        "input_reference_url": st.just(FACE),
        "use_custom_workflow": st.booleans(),
        "strange": st.integers() | st.none(),
    },
)
orders = st.builds(
    RenderOrderDTO, prompt=words, negative_prompt=words, model=st.none() | files,
    lora=st.none() | files, loras=loras, params=params,
)  # fmt: skip
contexts = st.builds(
    RenderContext,
    st.none()
    | st.builds(
        character, trigger_words=words, style_notes=words, lora=st.none() | files,
        lora_weight=st.floats(-2, 2), face_image=st.none() | st.just(FACE),
        generation_params=params,
    ),
    st.none()
    | st.builds(
        template, model=st.none() | files, negative_prompt=words, params=params,
        loras=loras,
    ),
)  # fmt: skip


@given(contexts, orders)
def test_once_is_enough(context: RenderContext, wanted: RenderOrderDTO) -> None:
    once = context.apply(wanted)
    assert context.apply(once).model_dump() == once.model_dump()


@given(contexts, orders)
def test_the_requests_own_wins(context: RenderContext, wanted: RenderOrderDTO) -> None:
    done = context.apply(wanted)
    for name in ("model", "negative_prompt"):
        own = getattr(wanted, name)
        if own and own.strip():
            assert getattr(done, name) == own
    said = wanted.params.model_dump(exclude_unset=True, exclude_none=True)
    assert said.items() <= done.params.model_dump(exclude_unset=True).items()
    assert wanted.prompt.strip() in done.prompt
    own_loras = [lora.name for lora in wanted.loras]
    if wanted.lora:
        own_loras.insert(0, wanted.lora)
    named = [done.lora] if done.lora else []
    named += [lora.name for lora in done.loras]
    assert named[: len(own_loras)] == own_loras
    for before, after in zip(reversed(wanted.loras), reversed(done.loras[: len(own_loras)])):  # noqa: B905
        if "weight" in before.model_fields_set:
            assert after.weight == before.weight


@given(contexts, orders)
def test_nothing_is_named_twice_by_it(context: RenderContext, wanted: RenderOrderDTO) -> None:
    own = [*([wanted.lora] if wanted.lora else []), *(lora.name for lora in wanted.loras)]
    done = context.apply(wanted)
    added = [lora.name.casefold() for lora in done.loras[len(own) :]]
    assert len(added) == len(set(added))
    assert not set(added) & {name.casefold() for name in own}


def test_all_that_is_left_out_is_filled_in() -> None:
    done = BOTH.apply(order(prompt="a car"))
    assert done.prompt == "ohwx woman, a car, freckles"
    assert (done.model, done.negative_prompt) == ("sdxl.safetensors", "text")
    assert [(lora.name, lora.weight) for lora in done.loras] == [
        ("faces/mara.safetensors", 0.8), ("grain.safetensors", 0.6),
    ]  # fmt: skip
    assert done.params.model_dump(exclude_unset=True) == {
        "steps": 28, "cfg": 6.5, "sampler": "euler", "scheduler": "karras",
        "input_reference_url": "https://example.org/mara.png",
    }  # fmt: skip


def test_what_is_said_stays() -> None:
    said = order(
        prompt="ohwx woman walks", negative_prompt="blur", model="own.safetensors",
        lora="GRAIN.safetensors", loras=[{"name": "faces/mara.safetensors", "weight": 0}],
        params={"cfg_scale": 3, "seed": 1, "input_reference_url": FACE, "sampler": None},
    )  # fmt: skip
    done = BOTH.apply(said)
    assert done.prompt == "ohwx woman walks, freckles"
    assert (done.model, done.negative_prompt) == ("own.safetensors", "blur")
    assert [(lora.name, lora.weight) for lora in done.loras] == [
        ("GRAIN.safetensors", 0.6), ("faces/mara.safetensors", 0),
    ]  # fmt: skip
    assert (done.params.cfg, done.params.seed, done.params.steps) == (3, 1, 28)
    assert (done.params.sampler, done.params.input_reference_url) == ("euler", FACE)


def test_the_face_is_the_reference_when_there_is_no_other() -> None:
    only_face = RenderContext(character(face_image=FACE))
    assert only_face.apply(order()).params.input_reference_url == FACE
    chosen = character(face_image=FACE, generation_params={"input_reference_url": "/uploads/x"})
    assert RenderContext(chosen).apply(order()).params.input_reference_url == "/uploads/x"
    assert RenderContext(character()).apply(order()).params == GenerationParamsDTO()


def test_an_empty_prompt_stays_empty() -> None:
    assert BOTH.apply(order()).prompt == ""


def test_without_character_and_template_an_order_stays_itself() -> None:
    wanted = order(prompt="a", lora="b")
    assert RenderContext().apply(wanted) is wanted


def test_an_applied_character_is_not_written_twice() -> None:
    bare = clip(image_prompt="a car", video_prompt="")
    dressed = Clip.model_validate({**bare.model_dump(), **applied(bare, MARA)})
    found = RenderContexts.made_of(None, [MARA])
    image = found.order_for(dressed, ContentType.IMAGE, order())
    video = found.order_for(dressed, ContentType.VIDEO, order(prompt="  "))
    assert image.prompt == video.prompt == "ohwx woman, a car, freckles"
    asked = found.order_for(dressed, ContentType.IMAGE, order(prompt=" a boat "))
    assert asked.prompt == "ohwx woman, a boat, freckles"


def test_a_character_of_another_project_or_a_deleted_one_brings_nothing() -> None:
    found = RenderContexts.made_of(None, [character(project_id="other"), character(id="all")])
    for character_id in ("c", "gone", None):
        assert found.of(clip(character_id=character_id)) == RenderContext()
    assert found.of(clip(character_id="all")).character is not None


class Queries(CharacterRepository):
    """Counts what it asks the database."""

    asked = 0

    async def _find(self, *args: Any, **kwargs: Any) -> list[Character]:
        self.asked += 1
        return await super()._find(*args, **kwargs)


@pytest.fixture
def database() -> Any:
    return AsyncMongoMockClient(tz_aware=True)["film"]


def loader_of(database: Any, characters: CharacterRepository) -> RenderContextLoader:
    templates = TemplateRepository(database, lambda: None)
    return RenderContextLoader(characters, templates, WorkflowRepository(database, lambda: None))


async def test_ten_thousand_clips_cost_one_read(database: Any) -> None:
    characters = Queries(database, lambda: None)
    await characters.add_many([character(id=f"c{n}") for n in range(40)])
    await characters.add(MARA)
    clips = [clip(id=str(n), character_id=f"c{n % 50}") for n in range(9_999)]
    clips.append(clip(id="m", character_id="c"))
    loader = loader_of(database, characters)
    found = await loader.load(clips, order())
    assert characters.asked == 1
    assert len(found.characters) == 41
    assert found.of(clips[-1]).character == MARA
    assert found.of(clips[45]).character is None
    assert await loader.load([clip()], order()) == RenderContexts()
    assert characters.asked == 1


async def test_a_template_is_loaded_or_not_found(database: Any) -> None:
    templates = TemplateRepository(database, lambda: None)
    await templates.add(NOIR)
    loader = loader_of(database, CharacterRepository(database, lambda: None))
    found = await loader.load([clip()], order(template_id="t"))
    assert found.of(clip()) == RenderContext(None, NOIR)
    with pytest.raises(ResourceNotFoundError) as refused:
        await loader.load([clip()], order(template_id="none"))
    assert refused.value.code == "TEMPLATE_NOT_FOUND"
