"""What is kept is given for its revision alone, not for ever, and not without bounds."""

from backend.utils.revision_cache import RevisionShelf


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_given_for_its_revision_alone() -> None:
    shelf = RevisionShelf[str](10)
    assert shelf.get("a", 1) is None
    shelf.put("a", 1, "one")
    assert (shelf.get("a", 1), shelf.get("a", 2), shelf.get("a", 0)) == ("one", None, None)
    shelf.put("a", 2, "two")
    assert (shelf.get("a", 1), shelf.get("a", 2)) == (None, "two")


def test_grows_old() -> None:
    watch = Watch()
    shelf = RevisionShelf[str](10, seconds=5, monotonic=watch)
    shelf.put("a", 1, "one")
    watch.now += 4.9
    assert shelf.get("a", 1) == "one"
    watch.now += 0.1
    assert shelf.get("a", 1) is None


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    shelf = RevisionShelf[str](10)
    for key in "abc":
        shelf.put(key, 1, key, size=3)
    assert shelf.get("a", 1) == "a"
    shelf.put("d", 1, "d", size=4)
    assert [shelf.get(key, 1) for key in "abcd"] == ["a", None, "c", "d"]


def test_what_is_too_large_is_not_kept_nor_what_it_replaces() -> None:
    shelf = RevisionShelf[str](10)
    shelf.put("a", 1, "old", size=2)
    shelf.put("b", 1, "b", size=2)
    shelf.put("a", 2, "large", size=11)
    assert [shelf.get("a", 1), shelf.get("a", 2), shelf.get("b", 1)] == [None, None, "b"]
    shelf.put("c", 1, "c", size=8)
    assert shelf.get("b", 1) == "b"
