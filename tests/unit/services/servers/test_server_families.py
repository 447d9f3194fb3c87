"""What a server can run of each family is told from its catalog alone, kind by kind."""

from typing import Any

from backend.comfyui_simulator.nodes import load_nodes
from backend.comfyui_simulator.options import SimulatorOptions
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families import FAMILIES, VARIANTS
from backend.services.families.base import GraphKind
from backend.services.servers.server_families import families_on
from tests.unit.services.comfyui.catalogs import catalog
from tests.unit.services.workflows.workflow_samples import full_nodes


def told(found: ServerCatalog) -> dict[str, dict[str, Any]]:
    return {each["family"]: each for each in families_on(found)}


def simulated(**models: tuple[str, ...]) -> ServerCatalog:
    nodes = load_nodes(SimulatorOptions(models=models))
    return ServerCatalog.from_object_info(nodes.with_files([]))


def test_every_kind_of_every_family_is_told_once() -> None:
    for found in (catalog(), simulated(), ServerCatalog()):
        families = told(found)
        assert list(families) == [family.id for family in FAMILIES]
        for family_id, family in families.items():
            does = {kind for one in VARIANTS if one.id == family_id for kind in one.kinds}
            lacking = [kind for lack in family["lacks"] for kind in lack["kinds"]]
            assert sorted([*family["kinds"], *lacking]) == sorted(does)
            assert family["can_run"] == bool(family["kinds"])
            assert all(lack["missing"] for lack in family["lacks"])


def test_a_server_with_everything_lacks_nothing() -> None:
    nodes = load_nodes(SimulatorOptions(every_model=True, models=full_nodes().models))
    families = families_on(ServerCatalog.from_object_info(nodes.with_files([])))
    assert [each["family"] for each in families if each["lacks"]] == []


def test_its_own_file_counts_before_the_official_one() -> None:
    families = told(
        simulated(checkpoints=("my_ponyXL_v3.safetensors", "juggernautXL_v9.safetensors"))
    )
    assert families["pony"]["models"] == ["my_ponyXL_v3.safetensors"]
    assert families["sdxl"]["models"] == ["juggernautXL_v9.safetensors"]
    assert families["pony"]["can_run"]


def test_files_that_belong_elsewhere_are_not_counted() -> None:
    """A diffusion model in the folder of checkpoints is loaded by nobody."""
    families = told(
        simulated(checkpoints=("wan2.1_t2v_1.3B_fp16.safetensors",), diffusion_models=())
    )
    assert families["wan_2_1"]["models"] == []
    lack = families["wan_2_1"]["lacks"][0]
    assert ("diffusion_models", "wan2.1_t2v_1.3B_fp16.safetensors") in [
        (each.folder, each.name) for each in lack["missing"]
    ]


def test_the_official_file_is_told_in_the_folder_where_it_belongs() -> None:
    """Flux comes as one checkpoint too, but that is another file."""
    (lack,) = told(simulated())["flux_dev"]["lacks"]
    assert lack["model"] == "flux1-dev.safetensors"
    assert next(each.folder for each in lack["missing"]) == "diffusion_models"


def test_kinds_that_lack_the_same_stand_together() -> None:
    (lack,) = told(simulated())["pony"]["lacks"]
    assert lack["kinds"] == [GraphKind.TEXT_TO_IMAGE, GraphKind.IMAGE_TO_IMAGE, GraphKind.INPAINT]
    assert [(each.folder, len(each.nearest) > 0) for each in lack["missing"]] == [
        ("checkpoints", False)
    ]


def test_files_of_the_gguf_nodes_are_models_too() -> None:
    info = load_nodes(SimulatorOptions()).with_files([])
    loader = {"input": {"required": {"unet_name": [["flux1-dev-Q4_0.gguf"], {}]}}, "output": []}
    families = told(ServerCatalog.from_object_info({**info, "UnetLoaderGGUF": loader}))
    assert families["flux_dev"]["models"] == ["flux1-dev-Q4_0.gguf"]
