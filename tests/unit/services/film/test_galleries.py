"""Who gets a take, and what happens when nobody is there to get it."""

from typing import Any

import pytest
from mongomock_motor import AsyncMongoMockClient

from backend.models.character import Character
from backend.models.content import ContentType, GeneratedContent
from backend.models.job import Job
from backend.repositories.character_take_repository import CharacterTakeRepository
from backend.repositories.registry import Repositories, repositories_on
from backend.services.film.galleries import Galleries, folder_of
from backend.utils.clock import utc_now
from backend.utils.errors import ResourceNotFoundError


def a_job(**owner: Any) -> Job:
    fields: dict[str, Any] = {
        "id": "j",
        "project_id": "p",
        "generation_type": ContentType.IMAGE,
        **owner,
    }
    return Job(**fields, created_at=utc_now())


TAKE = GeneratedContent(
    id="t", content_type=ContentType.IMAGE, path="characters/c/t.png", created_at=utc_now()
)
OF_CLIP = a_job(clip_id="k", scene_id="s")
OF_CHARACTER = a_job(character_id="c")


@pytest.fixture
def repos() -> Repositories:
    database: Any = AsyncMongoMockClient(tz_aware=True)["galleries"]
    return repositories_on(database, lambda: None)


def galleries(repos: Repositories, takes: CharacterTakeRepository | None = None) -> Galleries:
    return Galleries(repos.clips, repos.characters, takes or repos.character_takes)


async def a_character(repos: Repositories) -> Character:
    now = utc_now()
    return await repos.characters.add(
        Character(id="c", name="Mara", created_at=now, updated_at=now)
    )


async def test_nobody_gets_the_take_of_one_who_is_gone(repos: Repositories) -> None:
    for job in (OF_CLIP, OF_CHARACTER):
        assert not await galleries(repos).add(job, TAKE)
        with pytest.raises(ResourceNotFoundError):
            await galleries(repos).takes(job)
    assert await repos.character_takes.list_for("c") == []


async def test_twice_is_once(repos: Repositories) -> None:
    await a_character(repos)
    for _ in range(2):
        assert await galleries(repos).add(OF_CHARACTER, TAKE)
    [kept] = await galleries(repos).takes(OF_CHARACTER)
    assert (kept.id, kept.url, kept.is_selected) == ("t", TAKE.url, False)


async def test_one_who_goes_meanwhile_leaves_no_take(repos: Repositories) -> None:
    """Deleted between the look for it and the write: nobody else would remove that take."""

    class Late(CharacterTakeRepository):
        async def keep(self, character_id: str, take: GeneratedContent) -> None:
            await repos.characters.delete(character_id)
            await super().keep(character_id, take)

    await a_character(repos)
    database: Any = AsyncMongoMockClient(tz_aware=True)["late"]
    takes = Late(database, lambda: None)
    assert not await galleries(repos, takes).add(OF_CHARACTER, TAKE)
    assert await takes.list_for("c") == []


def test_files_of_characters_lie_outside_the_projects() -> None:
    assert folder_of(OF_CLIP) == "projects/p/k"
    assert folder_of(OF_CHARACTER) == "characters/c"
