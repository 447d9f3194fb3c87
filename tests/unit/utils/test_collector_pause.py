import gc

from backend.utils.collector_pause import CollectorPause


def test_the_collector_rests_until_the_last_block_ends() -> None:
    pause = CollectorPause()
    assert gc.isenabled()
    with pause():
        assert not gc.isenabled()
        with pause():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_who_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with CollectorPause()():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
