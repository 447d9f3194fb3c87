"""Style templates: create, read, change, delete, and count uses."""

from backend.dtos.template_dto import TemplateCreateDTO, TemplateUpdateDTO
from backend.models.style_template import StyleTemplate
from backend.repositories.template_repository import TemplateRepository
from backend.utils.clock import Clock
from backend.utils.errors import ResourceNotFoundError
from backend.utils.ids import new_id


class TemplateService:
    def __init__(self, templates: TemplateRepository, *, clock: Clock) -> None:
        self._templates = templates
        self._clock = clock

    async def create(self, dto: TemplateCreateDTO) -> StyleTemplate:
        now = self._clock()
        loras = [lora.model_dump() for lora in dto.loras]
        fields = {**dto.changes(), "loras": loras}
        template = StyleTemplate(id=new_id(), created_at=now, updated_at=now, **fields)
        return await self._templates.add(template)

    async def get(self, template_id: str) -> StyleTemplate:
        return await self._templates.get(template_id)

    async def page(
        self, *, category: str, search: str, skip: int, limit: int
    ) -> tuple[list[StyleTemplate], int]:
        return await self._templates.page(
            category=category.strip(), search=search.strip(), skip=skip, limit=limit
        )

    async def update(self, template_id: str, dto: TemplateUpdateDTO) -> StyleTemplate:
        changes = dto.changes()
        if "loras" in changes:
            changes["loras"] = [lora.model_dump() for lora in dto.loras]
        changed = await self._templates.update(
            template_id, {**changes, "updated_at": self._clock()}
        )
        if not changed:
            raise ResourceNotFoundError.of("template", template_id)
        return await self._templates.get(template_id)

    async def delete(self, template_id: str) -> int:
        if not await self._templates.delete(template_id):
            raise ResourceNotFoundError.of("template", template_id)
        return 1

    async def use(self, template_id: str) -> StyleTemplate:
        """Count a use; uses at once all count."""
        if not await self._templates.count_use(template_id):
            raise ResourceNotFoundError.of("template", template_id)
        return await self._templates.get(template_id)
