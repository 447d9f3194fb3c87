"""docs/models.md is what the code says."""

from backend.services.families import FAMILIES, VARIANTS
from scripts.models_doc import TARGET, document


def test_the_document_is_current() -> None:
    assert TARGET.read_text("utf-8") == document(), "run: python -m scripts.models_doc"


def test_it_names_every_family_variant_and_file() -> None:
    text = document()
    for family in FAMILIES:
        assert f"## {family.id}\n" in text
    for variant in VARIANTS:
        assert variant.official_model in text
        assert not variant.variant or f"### {variant.key}\n" in text
        for slot in variant.files:
            assert f"models/{slot.folder}/{slot.names[0]}" in text
