"""What is kept is given for its revision alone, not for ever, and not without bounds."""

from backend.utils.revision_cache import RevisionCache


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_given_for_its_revision_alone() -> None:
    cache = RevisionCache[str](10)
    assert cache.get("a", 1) is None
    cache.put("a", 1, "one")
    assert (cache.get("a", 1), cache.get("a", 2), cache.get("a", 0)) == ("one", None, None)
    cache.put("a", 2, "two")
    assert (cache.get("a", 1), cache.get("a", 2)) == (None, "two")


def test_grows_old() -> None:
    watch = Watch()
    cache = RevisionCache[str](10, seconds=5, monotonic=watch)
    cache.put("a", 1, "one")
    watch.now += 4.9
    assert cache.get("a", 1) == "one"
    watch.now += 0.1
    assert cache.get("a", 1) is None


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    cache = RevisionCache[str](10)
    for key in "abc":
        cache.put(key, 1, key, size=3)
    assert cache.get("a", 1) == "a"
    cache.put("d", 1, "d", size=4)
    assert [cache.get(key, 1) for key in "abcd"] == ["a", None, "c", "d"]


def test_what_is_too_large_is_not_kept_nor_what_it_replaces() -> None:
    cache = RevisionCache[str](10)
    cache.put("a", 1, "old", size=2)
    cache.put("b", 1, "b", size=2)
    cache.put("a", 2, "large", size=11)
    assert [cache.get("a", 1), cache.get("a", 2), cache.get("b", 1)] == [None, None, "b"]
    cache.put("c", 1, "c", size=8)
    assert cache.get("b", 1) == "b"
