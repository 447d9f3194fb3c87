"""How far a prompt is, folded from what its socket tells."""

from hypothesis import given
from hypothesis import strategies as st

from backend.services.comfyui.messages import (
    NodesFinished,
    NodeStarted,
    ProgressEvent,
    PromptFinished,
    StepDone,
)
from backend.services.queue.runners.comfyui_follower import Progress

NODES = {"1": "CheckpointLoaderSimple", "2": "KSampler", "3": "VAEDecode", "4": "SaveImage"}
MINE = "prompt"

node_ids = st.sampled_from((*NODES, "99"))
events = st.one_of(
    st.builds(StepDone, st.just(MINE), node_ids, st.integers(0, 30), st.integers(1, 30)),
    st.builds(NodeStarted, st.sampled_from((MINE, None)), node_ids),
    st.builds(NodesFinished, st.just(MINE), st.frozensets(node_ids)),
    st.builds(PromptFinished, st.just(MINE)),
)


@given(st.lists(events))
def test_it_never_falls_and_never_claims_to_be_done(told: list[ProgressEvent]) -> None:
    progress, last = Progress(NODES), 0.0
    for event in told:
        progress = progress.after(event, MINE)
        assert last <= progress.fraction < 1
        last = progress.fraction


@given(events)
def test_another_prompts_events_change_nothing(event: ProgressEvent) -> None:
    progress = Progress(NODES)
    if event.prompt_id is not None:
        assert progress.after(event, "another") == progress


def test_sampler_steps_are_nearly_all_of_it() -> None:
    progress = Progress(NODES).after(NodesFinished(MINE, frozenset({"1"})), MINE)
    begun = progress.after(NodeStarted(MINE, "2"), MINE)
    half = begun.after(StepDone(MINE, "2", 10, 20), MINE)
    assert (half.node_name, half.step, half.total) == ("KSampler", 10, 20)
    assert progress.fraction < 0.1
    assert 0.4 < half.fraction < 0.6
