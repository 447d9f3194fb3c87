"""Jobs, servers and what was learnt, made short for tests of the planner."""

from typing import Any

from hypothesis import strategies as st

from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.scheduling.estimates import CompletedRun, Estimates
from backend.services.queue.scheduling.planner import plan
from backend.services.queue.scheduling.types import Plan, PrefetchedJob, Rules, ServerView

NOW = 10_000.0
NAMES = ("a", "b", "c")
MODELS = ("x", "y", "")
CAPABLE = {
    "": frozenset(NAMES),
    "ab": frozenset("ab"),
    "c": frozenset("c"),
    "none": frozenset[str](),
}


def job(number: int, **fields: Any) -> WaitingJob:
    values = {"project_id": "p", "queued_at": NOW - 60, "model": "x", "work": 20.0, **fields}
    return WaitingJob(id=f"job{number}", number=number, **values)


def server(name: str, **fields: Any) -> ServerView:
    return ServerView(id=name, name=name.upper(), **fields)


def learnt(**seconds: float) -> Estimates:
    """`a=2.0`: server a takes two seconds for 20 of work, of any model; loads take 10 s."""
    estimates = Estimates()
    for name, value in seconds.items():
        for model in MODELS[:2]:
            for _ in range(3):
                estimates = estimates.learn(CompletedRun(name, model, "image", 20.0, value))
            for _ in range(3):
                cold = CompletedRun(name, model, "image", 20.0, value + 10.0, swapped=True)
                estimates = estimates.learn(cold)
    return estimates


def decide(
    jobs: list[WaitingJob],
    servers: list[ServerView],
    estimates: Estimates | None = None,
    *,
    served: dict[str, float] | None = None,
    rules: Rules | None = None,
) -> Plan:
    backlog = Backlog(jobs, served)
    backlog.release_due(NOW)
    known = estimates or Estimates()
    return plan(backlog, servers, known, now=NOW, capable=CAPABLE, rules=rules or Rules())


def placed(result: Plan) -> list[tuple[str, str]]:
    return sorted((each.job_id, each.server_id) for each in result.assignments)


def prefetched(waiting: WaitingJob, seconds: float = 10.0) -> PrefetchedJob:
    return PrefetchedJob(waiting, seconds)


jobs_strategy = st.lists(
    st.builds(
        job,
        st.integers(0, 1000),
        priority=st.integers(-1, 1),
        project_id=st.sampled_from(("p", "q", "r")),
        queued_at=st.floats(NOW - 600, NOW),
        model=st.sampled_from(MODELS),
        kind=st.sampled_from(("image", "video")),
        work=st.floats(0, 500),
        needs=st.sampled_from(("", "", "", *CAPABLE)),
        pinned_server_id=st.sampled_from((None, None, None, None, "a", "b", "gone")),
        not_before=st.sampled_from((None, None, None, None, NOW - 1, NOW, NOW + 1)),
        excluded=st.sampled_from((frozenset[str](), frozenset[str](), frozenset("a"))),
    ),
    unique_by=lambda waiting: waiting.number,
    max_size=25,
)

_prefetched = st.builds(
    prefetched,
    st.builds(
        job,
        st.integers(2000, 2999),
        priority=st.integers(-1, 1),
        project_id=st.sampled_from(("p", "q")),
        needs=st.sampled_from(sorted(CAPABLE)),
    ),
    st.floats(0.1, 60),
)

servers_strategy = st.lists(
    st.builds(
        server,
        st.sampled_from(NAMES),
        why_not=st.sampled_from(("", "", "", "", "is offline")),
        capacity=st.integers(1, 3),
        parallel=st.sampled_from((1, 1, 3)),
        running=st.lists(st.floats(0, 100), max_size=3).map(tuple),
        prefetched=st.lists(_prefetched, max_size=1).map(tuple),
        foreign_prompts=st.integers(0, 3),
        loaded_model=st.sampled_from(MODELS),
    ),
    unique_by=lambda view: view.id,
)

estimates_strategy = st.builds(learnt, **{name: st.floats(0.5, 50) for name in NAMES}) | st.just(
    Estimates()
)


def may_run(waiting: WaitingJob, view: ServerView) -> bool:
    return (
        not view.why_not
        and view.id in CAPABLE[waiting.needs]
        and view.id not in waiting.excluded
        and waiting.pinned_server_id in {None, view.id}
        and (waiting.not_before is None or waiting.not_before <= NOW)
    )
