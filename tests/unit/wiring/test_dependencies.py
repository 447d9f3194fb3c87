"""What routes ask for is in the container, of the very kind that they say."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

from fastapi.params import Depends

from backend.api.v1 import dependencies
from backend.container import build_container
from tests.studio import quick_settings


async def test_every_part_is_where_its_alias_says(tmp_path: Path) -> None:
    checked = 0
    async with build_container(quick_settings(tmp_path)) as container:
        connection: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace()))
        connection.app.state.container = container
        for name, alias in vars(dependencies).items():
            if not name.endswith("Dep") or name == "PageDep":
                continue
            kind, depends = get_args(alias)
            assert isinstance(depends, Depends)
            assert depends.dependency is not None
            assert isinstance(await depends.dependency(connection), kind), name
            checked += 1
    assert checked > 30
