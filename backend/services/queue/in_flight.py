"""What this process has in hand: which jobs are at which server, and since when they run there."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from backend.models.comfyui_server import ServerType
from backend.services.queue.backlog import WaitingJob
from backend.services.queue.scheduling.estimates import Estimates, Run, remaining
from backend.services.queue.scheduling.types import AheadJob, ServerView
from backend.services.servers.fleet import ServerState

#: Prompts of ours that a server may still show in its queue when we are done with them.
_REMEMBERED = 4_000
#: Ended prompts of a server whose files are on their way, beside which it may have more work:
#: with more of them the way home is too slow for it.
_ON_THEIR_WAY = 4


@dataclass
class Hand:
    """A job at a server. `started` is None while it waits in the server's own queue.

    Times are POSIX seconds. `expected` are seconds from its start, `swaps` says that they hold a
    load. `job` is None for one that no planner placed: what was taken up, what a provider makes.
    `ended`: its server is done with it, only its files are not home yet.
    """

    job_id: str
    server_id: str
    sent: float
    job: WaitingJob | None = None
    expected: float = 0.0
    swaps: bool = False
    started: float | None = None
    ended: bool = False
    task: asyncio.Task[None] | None = None

    def left(self, now: float) -> float:
        elapsed = now - (self.started if self.started is not None else self.sent)
        return remaining(self.expected, max(0.0, elapsed))


class Hands:
    """`learn` is told of each run that ended well, `on_change` of what makes room for more."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        learn: Callable[[Run], None] = lambda run: None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._now = now
        self._learn = learn
        self.on_change = on_change
        self._hands: dict[str, Hand] = {}
        #: The model that each server loaded last, as far as we saw.
        self._loaded: dict[str, str] = {}
        self._prompts: deque[str] = deque(maxlen=_REMEMBERED)
        self._ours: set[str] = set()

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._hands

    def get(self, job_id: str) -> Hand | None:
        return self._hands.get(job_id)

    def take(self, hand: Hand) -> None:
        self._hands[hand.job_id] = hand

    def drop(self, job_id: str) -> None:
        self._hands.pop(job_id, None)

    def clear(self) -> None:
        self._hands.clear()

    def at(self, server_id: str) -> list[Hand]:
        return [hand for hand in self._hands.values() if hand.server_id == server_id]

    @property
    def load(self) -> Counter[str]:
        """How many of our jobs each server has."""
        return Counter(hand.server_id for hand in self._hands.values())

    # -- what runners tell -----------------------------------------------------------------------

    def prompt_sent(self, prompt_id: str) -> None:
        """That prompt in a server's queue is ours, now and for a while after its end."""
        if len(self._prompts) == self._prompts.maxlen:
            self._ours.discard(self._prompts[0])
        self._prompts.append(prompt_id)
        self._ours.add(prompt_id)

    def prompt_started(self, job_id: str) -> None:
        hand = self._hands.get(job_id)
        if hand is not None and hand.started is None:
            hand.started = self._now()
            self._note_model(hand)
            self.on_change()

    def prompt_ran(self, job_id: str, seconds: float | None) -> None:
        """A prompt ended well; `seconds` as its server measured, None for what it had cached.

        Its server has room for the next one while the files come home.
        """
        hand = self._hands.get(job_id)
        if hand is None:
            return
        hand.ended = True
        self._note_model(hand)
        self.on_change()
        if hand.job is not None and seconds:
            job = hand.job
            self._learn(
                Run(hand.server_id, job.model, job.kind, job.work, seconds, swapped=hand.swaps)
            )

    # -- what the planner sees -------------------------------------------------------------------

    def views(self, states: Iterable[ServerState], estimates: Estimates) -> list[ServerView]:
        by_server: dict[str, list[Hand]] = {}
        for hand in self._hands.values():
            by_server.setdefault(hand.server_id, []).append(hand)
        return [self._view(state, by_server.get(state.server.id, [])) for state in states]

    def _view(self, state: ServerState, hands: list[Hand]) -> ServerView:
        server = state.server
        is_parallel = server.server_type is ServerType.RUNPOD
        hands = _holding(hands)
        hands.sort(key=lambda hand: (hand.started is None, hand.started or hand.sent))
        # What was sent to an idle server runs, even if nobody has told us yet.
        running = [
            hand
            for index, hand in enumerate(hands)
            if hand.started is not None or hand.job is None or index == 0 or is_parallel
        ]
        now = self._now()
        return ServerView(
            id=server.id,
            name=server.name,
            why_not=state.why_not,
            capacity=1 if state.on_probation else server.max_concurrent,
            parallel=server.max_concurrent if is_parallel else 1,
            running=tuple(hand.left(now) for hand in running),
            ahead=tuple(
                AheadJob(hand.job, hand.expected, swaps=hand.swaps)
                for hand in hands
                if hand not in running and hand.job is not None
            ),
            strangers=self._strangers(state),
            loaded_model=_last_model(hands) or self._loaded.get(server.id, ""),
            sends_ahead=not is_parallel and not state.on_probation,
        )

    def loaded_model(self, server_id: str) -> str | None:
        return self._loaded.get(server_id)

    def forget_server(self, server_id: str) -> None:
        """It was started anew: nothing is loaded there."""
        self._loaded.pop(server_id, None)

    def _note_model(self, hand: Hand) -> None:
        if hand.job is not None and hand.job.model:
            self._loaded[hand.server_id] = hand.job.model

    def _strangers(self, state: ServerState) -> int:
        if state.queue is None:
            return 0
        return sum(
            prompt not in self._ours for prompt in (*state.queue.running, *state.queue.pending)
        )


def _last_model(hands: Sequence[Hand]) -> str:
    """What will be loaded after all of them, in their order."""
    models = [hand.job.model for hand in hands if hand.job is not None and hand.job.model]
    return models[-1] if models else ""


def _holding(hands: list[Hand]) -> list[Hand]:
    """Those that hold their server: all but a few whose files only are on their way."""
    coming = [hand for hand in hands if hand.ended]
    return [hand for hand in hands if not hand.ended] + coming[_ON_THEIR_WAY:]
