"""The values that a plan is made from, beside the backlog, and those that it gives."""

from collections.abc import Mapping
from dataclasses import dataclass

from backend.services.queue.backlog import WaitingJob


@dataclass(frozen=True, slots=True)
class PrefetchedJob:
    """A job of ours that waits in a server's own queue. `seconds` with its load, if it has one."""

    job: WaitingJob
    seconds: float
    swaps: bool = False


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server as it stands. `running`: seconds that each of our jobs there will still take.

    `why_not` says why it takes no work ("" if it does). `capacity` is how many jobs it may hold,
    and one more may wait `prefetched`. `parallel` of them run at once: 1 for a ComfyUI server.
    `foreign_prompts` counts prompts of others. `loaded_model` is what it will have loaded after all
    that it holds; "" if that is not known.
    """

    id: str
    name: str
    why_not: str = ""
    capacity: int = 1
    parallel: int = 1
    running: tuple[float, ...] = ()
    prefetched: tuple[PrefetchedJob, ...] = ()
    foreign_prompts: int = 0
    loaded_model: str = ""
    #: Whether one more than `capacity` may wait in the server's own queue.
    prefetches: bool = True

    @property
    def held(self) -> int:
        return len(self.running) + len(self.prefetched)


@dataclass(frozen=True, slots=True)
class Rules:
    """How the planner weighs things. Defaults were found with scripts/bench/queue_plan.py."""

    #: Seconds: jobs of a project queued so close together go in any order.
    age_window: float = 120.0
    #: Seconds: a job is sent ahead only when what runs will end within this.
    prefetch_seconds: float = 20.0
    #: Seconds that a foreign prompt is taken to last.
    foreign_prompt_seconds: float = 15.0
    #: While others have the servers, a project whose model nobody has loaded waits so many times
    #: the seconds of that load for its turn; else two projects would have a server load for ever.
    turn_swaps: float = 4.0
    #: A busy server loads another model only for so many times that load's length of work.
    worth: float = 0.5
    #: How much more certain it must be that a model needs help while its servers are unknown.
    doubt: float = 3.0
    #: A load may take longer than expected, by these shares of it: seen there before, or not.
    risk_seen: float = 0.1
    risk_unseen: float = 0.6
    #: A job is taken back if it would end so many times sooner elsewhere, and seconds sooner.
    gain_factor: float = 1.25
    gain_seconds: float = 1.0
    #: Jobs given in one pass, so that no pass is long; the next one may follow at once.
    most_at_once: int = 24


@dataclass(frozen=True, slots=True)
class Assignment:
    """`seconds` is what it is expected to take there, its load included; `reason` is for people."""

    job_id: str
    server_id: str
    reason: str
    seconds: float
    starts_in: float = 0.0
    swaps: bool = False


@dataclass(frozen=True, slots=True)
class TakeBack:
    """A job sent ahead that should leave that server's queue; the next plan places it anew."""

    job_id: str
    server_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`look_again`: in so many seconds a server gets close enough to its end for its next job.

    It is 0 when there was more to give than one pass gives.
    """

    assignments: tuple[Assignment, ...] = ()
    take_backs: tuple[TakeBack, ...] = ()
    look_again: float | None = None


#: Which servers have every file and node, by the name in WaitingJob.needs.
Capable = Mapping[str, frozenset[str]]
