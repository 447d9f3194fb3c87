"""Those who decide in the simulated world: ours, and the rules it is compared with."""

from collections.abc import Sequence

from backend.services.queue.backlog import Backlog, WaitingJob
from backend.services.queue.scheduling.estimates import CompletedRun, Estimates, remaining
from backend.services.queue.scheduling.planner import plan
from backend.services.queue.scheduling.types import PrefetchedJob, Rules, ServerView
from scripts.bench._plan_world import Machine, Order, Task, World

#: What a length of one second at speed 1 is in the planner's unit.
WORK = 2.0


class Ours:
    """The planner, with what it learnt before (nothing, if nothing is given)."""

    def __init__(
        self, world: World, estimates: Estimates | None = None, rules: Rules | None = None
    ) -> None:
        self.backlog = Backlog()
        self.estimates = estimates or Estimates()
        self.rules = rules or Rules()
        self._capable = {"": frozenset(str(index) for index in range(len(world.speeds)))}
        self._jobs: dict[str, WaitingJob] = {}
        self._expected: dict[str, tuple[float, bool]] = {}
        self.taken_back = 0

    def arrived(self, task: Task) -> None:
        job = WaitingJob(
            id=task.id,
            number=len(self._jobs),
            project_id=task.project,
            queued_at=task.arrives,
            model=f"model-{task.model}",
            work=task.length * WORK,
        )
        self._jobs[task.id] = job
        self.backlog.add(job)

    def ended(self, task: Task, machine: Machine, now: float) -> None:
        self.estimates = self.estimates.learn(
            CompletedRun(
                str(machine.index),
                f"model-{task.model}",
                "image",
                task.length * WORK,
                now - machine.began,
                swapped=machine.swapped,
            )
        )

    def returned(self, task: Task) -> None:
        self.backlog.add(self._jobs[task.id])

    def view(self, machine: Machine, now: float) -> ServerView:
        running, prefetched = machine.queue[:1], machine.queue[1:]
        last = machine.queue[-1].model if machine.queue else machine.loaded
        return ServerView(
            id=str(machine.index),
            name=f"server {machine.index}",
            why_not="" if machine.up else "offline",
            running=tuple(
                remaining(self._seconds(task, machine, machine.swapped), now - machine.began)
                for task in running
            ),
            prefetched=tuple(
                PrefetchedJob(self._jobs[task.id], *self._expected[task.id]) for task in prefetched
            ),
            loaded_model="" if last is None else f"model-{last}",
        )

    def _seconds(self, task: Task, machine: Machine, swapped: bool) -> float:
        name, model = str(machine.index), f"model-{task.model}"
        load = self.estimates.swap_seconds(name, model) if swapped else 0.0
        return load + self.estimates.seconds(name, model, "image", task.length * WORK)

    def decide(self, machines: Sequence[Machine], now: float) -> list[Order]:
        views = [self.view(machine, now) for machine in machines]
        made = plan(
            self.backlog, views, self.estimates, now=now, capable=self._capable, rules=self.rules
        )
        for each in made.assignments:
            self.backlog.take(each.job_id, now)
            self._expected[each.job_id] = (each.seconds, each.swaps)
        self.taken_back += len(made.take_backs)
        return [Order(each.job_id, int(each.server_id)) for each in made.assignments] + [
            Order(each.job_id, int(each.server_id), back=True) for each in made.take_backs
        ]


class _InOrder:
    """Jobs are taken in the order in which they came."""

    def __init__(self, world: World) -> None:
        self.waiting: dict[str, Task] = {}

    def arrived(self, task: Task) -> None:
        self.waiting[task.id] = task

    def ended(self, task: Task, machine: Machine, now: float) -> None:
        return None

    def returned(self, task: Task) -> None:
        self.waiting = {task.id: task, **self.waiting}


class RoundRobin(_InOrder):
    """Every server in turn gets the next job at once, however much it has."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._next = 0

    def decide(self, machines: Sequence[Machine], now: float) -> list[Order]:
        up = [machine.index for machine in machines if machine.up]
        orders = []
        for task_id in list(self.waiting) if up else []:
            orders.append(Order(task_id, up[self._next % len(up)]))
            self._next += 1
            del self.waiting[task_id]
        return orders


class LeastBusy(_InOrder):
    """The server with the fewest jobs gets the next, up to two each."""

    def decide(self, machines: Sequence[Machine], now: float) -> list[Order]:
        held = {machine.index: len(machine.queue) for machine in machines if machine.up}
        orders = []
        for task_id in list(self.waiting):
            index = min(held, key=lambda each: held[each], default=None)
            if index is None or held[index] >= 2:
                break
            orders.append(Order(task_id, index))
            held[index] += 1
            del self.waiting[task_id]
        return orders


class SwarmUI(_InOrder):
    """The rule of mcmonkeyprojects/SwarmUI, as its source has it.

    Two jobs a server at most. Whoever has the model gets the job, the least busy first. Else the
    model with most pressure (ten times what waits for it, plus the longest wait in seconds) is
    loaded at an empty server, the one that was used longest ago.
    """

    def decide(self, machines: Sequence[Machine], now: float) -> list[Order]:
        held = {machine.index: len(machine.queue) for machine in machines if machine.up}
        model = {
            machine.index: machine.queue[-1].model if machine.queue else machine.loaded
            for machine in machines
        }
        orders: list[Order] = []
        while True:
            self._match(held, model, orders)
            pressed = self._pressure(now)
            empty = [machine for machine in machines if held.get(machine.index) == 0]
            if pressed is None or not empty:
                return orders
            chosen = min(empty, key=lambda machine: machine.last_used)
            model[chosen.index] = pressed

    def _match(
        self, held: dict[int, int], model: dict[int, int | None], orders: list[Order]
    ) -> None:
        for task in list(self.waiting.values()):
            fits = [index for index in held if held[index] < 2 and model[index] == task.model]
            if fits:
                index = min(fits, key=lambda each: held[each])
                orders.append(Order(task.id, index))
                held[index] += 1
                del self.waiting[task.id]

    def _pressure(self, now: float) -> int | None:
        waits: dict[int, list[float]] = {}
        for task in self.waiting.values():
            waits.setdefault(task.model, []).append(now - task.arrives)
        if not waits:
            return None
        return max(waits, key=lambda each: 10 * len(waits[each]) + max(waits[each]))
