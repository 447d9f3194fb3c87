"""The documents tell the truth: the tour runs as it stands, tables and paths match the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from backend.comfyui_simulator.options import SimulatorOptions
from backend.comfyui_simulator.simulator import Simulator
from backend.config import ROOT, Settings
from backend.models.job import MOVES, JobStatus
from backend.repositories.registry import REPOSITORIES
from tests.documents import blocks, paste, rows, section
from tests.export.fcpxml_reader import check
from tests.studio import server_process

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README, DESIGN, AGENTS, QUEUE, DATABASE = (
    (ROOT / name).read_text("utf-8")
    for name in (
        "README.md",
        "DESIGN.md",
        "AGENTS.md",
        "docs/design/queue.md",
        "docs/design/database.md",
    )
)

_LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?<![\w./-])(?:backend|docs|scripts|tests)/[\w./-]*\w")


async def test_the_tour_runs_as_it_stands(tmp_path: Path) -> None:
    tour = blocks(section(README, "## A tour with curl"), "bash")
    options = SimulatorOptions(seconds_per_step=0.002)
    with server_process(tmp_path, mongo_url=f"embedded:{tmp_path / 'db'}") as server:
        server.start()
        await server.ready()
        async with Simulator(options) as simulator:
            places = {"BASE": server.url, "COMFYUI": simulator.url}
            told = await paste("\n".join(tour), tmp_path, places)
            again = await paste("\n".join(tour[:2]), tmp_path, places)
    assert "\ncompleted\n" in told
    assert "SERVER_URL_EXISTS" not in told
    assert "SERVER_URL_EXISTS" in again
    check_outcome(Path(told.partition("\n")[0]))


def check_outcome(folder: Path) -> None:
    refused = json.loads((folder / "refused.json").read_bytes())
    assert refused["detail"]["suggested_position"] == 4.0
    document = check((folder / "night_drive.fcpxml").read_bytes())
    assert document.duration == 7
    assert len(document.assets) == 3
    cut = (folder / "night_drive.edl").read_text("ascii")
    named = set(re.findall(r"^\* FROM CLIP NAME: (.+?)\r?$", cut, re.MULTILINE))
    media = {file.name: file.stat().st_size for file in (folder / "media").iterdir()}
    assert len(named) == 3
    assert media.keys() == named
    assert min(media.values()) > 1000


def test_the_table_of_settings_is_that_of_the_code() -> None:
    table = rows(section(README, "## Settings"))
    assert list(table) == [name.upper() for name in Settings.model_fields]
    said: dict[str, Any] = {
        name.lower(): "" if cells[0] == "(empty)" else cells[0].strip("`")
        for name, cells in table.items()
    }
    real = {name: field.default for name, field in Settings.model_fields.items()}
    assert Settings(_env_file=None, **said) == Settings(_env_file=None, **real)
    assert all(cells[1] for cells in table.values())


def test_the_diagram_of_moves_is_that_of_the_code() -> None:
    states = section(QUEUE, "## States of a job")
    diagram = states.partition("stateDiagram-v2")[2].partition("```")[0]
    arrows = set(re.findall(r"(\w+) --> (\w+)", diagram))
    assert arrows == {(status, to) for status in JobStatus for to in MOVES[status]}


def test_the_collections_and_indexes_of_the_design_exist() -> None:
    real = {kind.collection: {index.name for index in kind.indexes} for kind in REPOSITORIES}
    table = rows(section(DATABASE, "## Data model"))
    assert table.keys() - {"counters"} == real.keys()
    for collection, cells in table.items():
        named = set(re.findall(r"`(\w+)`", cells[1])) - {"_id"}
        assert named == real.get(collection, set()), collection


@pytest.mark.parametrize(("folder", "linked_from"), [("guide", README), ("design", DESIGN)])
def test_every_page_of_a_folder_is_in_its_index(folder: str, linked_from: str) -> None:
    pages = ROOT / "docs" / folder
    linked = set(re.findall(r"\]\((\w+\.md)\)", (pages / "README.md").read_text("utf-8")))
    assert linked == {page.name for page in pages.glob("*.md")} - {"README.md"}
    assert f"docs/{folder}/README.md" in linked_from


def test_the_overview_of_the_design_is_short() -> None:
    assert len(DESIGN.split()) <= 2_500


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    for link in _LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
    missing = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    assert missing == []


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("example", blocks(AGENTS, "python"))
def test_the_worked_example_is_the_real_code(example: str) -> None:
    head, _, code = example.partition("\n")
    path = ROOT / head.removeprefix("# ")
    assert code.rstrip() in path.read_text("utf-8")


def test_the_worked_example_has_every_layer() -> None:
    heads = [example.partition("\n")[0] for example in blocks(AGENTS, "python")]
    places = [head.removeprefix("# ").rpartition("/")[0] for head in heads]
    assert places == [
        "backend/api/v1", "backend/dtos", "backend/services/film", "backend/repositories",
        "tests/integration/film",
    ]  # fmt: skip
