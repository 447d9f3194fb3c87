import pytest

from tests.export.fcpxml_reader import check
from tests.export.golden_films import FOLDER, documents


@pytest.mark.parametrize("name", sorted(documents()))
def test_documents_are_byte_for_byte_as_kept(name: str) -> None:
    assert documents()[name] == (FOLDER / name).read_bytes()


def test_nothing_is_kept_that_is_no_longer_written() -> None:
    kept = {path.name for path in FOLDER.iterdir() if not path.name.startswith(".")}
    assert kept == set(documents())


@pytest.mark.parametrize("name", sorted(n for n in documents() if n.endswith(".fcpxml")))
def test_kept_documents_import(name: str) -> None:
    assert check((FOLDER / name).read_bytes()).duration > 0
