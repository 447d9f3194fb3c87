"""Style templates (6). Mounted at /style-templates and, out of the schema, at /templates."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from backend.api.http.strict_json import StrictJsonRoute
from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import Id, PageDep, TemplateServiceDep
from backend.dtos.shared.common_dto import DeletedDTO, ErrorDTO
from backend.dtos.template_dto import (
    TemplateCreateDTO,
    TemplateResponseDTO,
    TemplateUpdateDTO,
    TemplateUsedDTO,
)
from backend.models.style_template import StyleTemplate

router = APIRouter(tags=["Style templates"], route_class=StrictJsonRoute)


@router.post(
    "",
    response_model=TemplateResponseDTO,
    status_code=201,
    summary="Create a style template",
)
async def create_template(body: TemplateCreateDTO, templates: TemplateServiceDep) -> StyleTemplate:
    """A generation request names it by `template_id`."""
    return await templates.create(body)


@router.get(
    "",
    response_model=list[TemplateResponseDTO],
    summary="List style templates, oldest first",
)
async def list_templates(
    templates: TemplateServiceDep,
    page: PageDep,
    response: Response,
    category: Annotated[str, Query(max_length=100, description="Only this one, exactly.")] = "",
    search: Annotated[str, Query(max_length=200, description="In name and description.")] = "",
) -> list[StyleTemplate]:
    """Both filters together give what fits both."""
    found, total = await templates.page(
        category=category, search=search, skip=page.skip, limit=page.limit
    )
    response.headers["X-Total-Count"] = str(total)
    return found


@router.get(
    "/{template_id}",
    response_model=TemplateResponseDTO,
    summary="Read a style template",
    responses={404: {"model": ErrorDTO, "description": "No such template."}},
)
async def read_template(template_id: Id, templates: TemplateServiceDep) -> StyleTemplate:
    """With how often it was used."""
    return await templates.get(template_id)


@router.put(
    "/{template_id}",
    response_model=TemplateResponseDTO,
    summary="Change a style template",
    responses={404: {"model": ErrorDTO, "description": "No such template."}},
)
async def update_template(
    template_id: Id, body: TemplateUpdateDTO, templates: TemplateServiceDep
) -> StyleTemplate:
    """Only what is sent changes. Jobs that are queued keep what they have."""
    return await templates.update(template_id, body)


@router.delete(
    "/{template_id}",
    response_model=DeletedDTO,
    summary="Delete a style template; what was made with it stays",
    responses={404: {"model": ErrorDTO, "description": "No such template."}},
)
async def delete_template(template_id: Id, templates: TemplateServiceDep) -> dict[str, object]:
    """Jobs that are queued keep what they got of it."""
    deleted = await templates.delete(template_id)
    return {"message": "Style template deleted.", "deleted": deleted}


@router.post(
    "/{template_id}/use",
    response_model=TemplateUsedDTO,
    summary="Count a use of a style template",
    responses={404: {"model": ErrorDTO, "description": "No such template."}},
)
async def use_template(template_id: Id, templates: TemplateServiceDep) -> dict[str, object]:
    """Every use counts, also of those that come at once. Generations do not count by themselves."""
    template = await templates.use(template_id)
    return {"message": f"'{template.name}' was used.", "use_count": template.use_count}


mounted = versioned_router()
mounted.include_router(router, prefix="/style-templates")
mounted.include_router(router, prefix="/templates", include_in_schema=False)
