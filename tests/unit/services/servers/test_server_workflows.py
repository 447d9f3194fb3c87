"""What a server can run is told from its catalog alone."""

from typing import Any

from backend.models.comfyui_server import ComfyUIServer
from backend.services.servers.fleet import ServerState
from backend.services.servers.server_workflows import workflows_of
from backend.utils.clock import utc_now
from tests.unit.services.comfyui.catalogs import catalog


def told(**changes: Any) -> dict[str, Any]:
    now = utc_now()
    server = ComfyUIServer(id="s", name="S", url="http://x", created_at=now, updated_at=now)
    found = workflows_of(ServerState(server, **{"online": True, **changes}))
    return {**found, "workflows": {flow["id"]: flow for flow in found["workflows"]}}


def test_all_that_is_there_is_available() -> None:
    found = told(catalog=catalog())
    for family, files in (
        ("sdxl", ["sd_xl_base_1.0.safetensors"]),
        ("sd15", ["v1-5-pruned-emaonly-fp16.safetensors"]),
        ("wan_2_1", ["wan2.1_t2v_1.3B_fp16.safetensors"]),
    ):
        flow = found["workflows"][family]
        assert (flow["available"], flow["models"], list(flow["missing"])) == (True, files, [])
    assert "checkpoint" not in found["workflows"]
    assert found["generation_types"] == ["image", "video"]


def test_what_lacks_is_named() -> None:
    found = told(catalog=catalog(text_encoders=["umt5_base.safetensors"], checkpoints=[]))
    wan, sdxl = found["workflows"]["wan_2_1"], found["workflows"]["sdxl"]
    assert not wan["available"]
    assert [(lack.folder, lack.name) for lack in wan["missing"]] == [
        ("text_encoders", "umt5_xxl_fp8_e4m3fn_scaled.safetensors")
    ]
    assert wan["missing"][0].nearest == ("umt5_base.safetensors",)
    assert (sdxl["available"], sdxl["models"]) == (False, [])
    assert sdxl["missing"][0].folder == "checkpoints"
    assert found["generation_types"] == []


def test_a_node_that_lacks_is_named() -> None:
    found = told(catalog=catalog(without=("SaveVideo",)))
    (lack,) = found["workflows"]["wan_2_1"]["missing"]
    assert (lack.folder, lack.name) == ("nodes", "SaveVideo")
    assert found["generation_types"] == ["image"]


def test_checkpoints_of_no_known_family_run_as_plain_ones() -> None:
    found = told(catalog=catalog(checkpoints=["mystery.safetensors", "svd_xt.safetensors"]))
    plain = found["workflows"]["checkpoint"]
    assert (plain["available"], plain["models"]) == (True, ["mystery.safetensors"])
    assert found["workflows"]["sdxl"]["available"] is False


def test_offline_nothing_is_claimed() -> None:
    for changes in ({"online": False, "catalog": catalog()}, {"catalog": None}):
        found = told(**changes)
        assert found["generation_types"] == []
        assert not any(flow["available"] for flow in found["workflows"].values())
        assert not any(flow["missing"] for flow in found["workflows"].values())
