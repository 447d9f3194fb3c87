"""A graph of the user's own that a project keeps, to be rendered by its id."""

from datetime import datetime

from backend.models.base import FrozenModel


class SavedWorkflow(FrozenModel):
    """`workflow_json` is JSON text: its keys may hold what a document's may not.

    It is in ComfyUI's API format, placeholders and all, and was checked when it was saved.
    """

    id: str
    project_id: str
    name: str
    description: str = ""
    workflow_json: str
    created_at: datetime
    updated_at: datetime
