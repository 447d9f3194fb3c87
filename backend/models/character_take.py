"""A picture that was made of a character."""

from backend.models.content import GeneratedContent


class CharacterTake(GeneratedContent):
    """A take that no clip has: it belongs to a character and goes with it."""

    character_id: str
