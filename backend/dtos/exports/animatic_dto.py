"""How far the rendering of an animatic is."""

from pydantic import Field

from backend.dtos.shared import example_ids
from backend.dtos.shared.common_dto import ResponseDTO, Timestamp
from backend.dtos.shared.media_address import MediaUrl
from backend.models.exports.animatic import AnimaticRender, AnimaticStatus


class AnimaticDTO(ResponseDTO):
    """Ask the same address again: it gives the file once it is done."""

    job_id: str = Field(
        description="The rendering, as `export` events name it.",
        examples=["4f9d2c1b7a6e4d0f8c3b2a1908f7e6d5"],
    )
    project_id: str = Field(description="The project.", examples=[example_ids.PROJECT])
    status: AnimaticStatus = Field(
        description="`pending` behind another, or `processing`.", examples=["processing"]
    )
    progress: float = Field(ge=0, le=1, description="The finished part.", examples=[0.42])
    message: str = Field(
        description="The same for people.", examples=["The animatic is being rendered: 42 %."]
    )
    url: MediaUrl = Field(
        description="Where to ask again, and what a <video> plays once it is done.",
        examples=[
            "http://127.0.0.1:8001/api/v1/projects/"
            f"{example_ids.PROJECT}/export/animatic.mp4?height=720"
        ],
    )
    created_at: Timestamp = Field(
        description="UTC: when it was asked for.", examples=[example_ids.MOMENT]
    )


def animatic_dto(render: AnimaticRender, url: str) -> AnimaticDTO:
    if render.status is AnimaticStatus.PENDING:
        message = "The animatic waits for its turn."
    else:
        message = f"The animatic is being rendered: {render.progress:.0%}."
    return AnimaticDTO(
        job_id=render.id,
        project_id=render.project_id,
        status=render.status,
        progress=render.progress,
        message=message,
        url=url,
        created_at=render.created_at,
    )
