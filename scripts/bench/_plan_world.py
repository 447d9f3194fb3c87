"""A world of servers and jobs in simulated time, for whoever decides which job goes where."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

#: Seconds of an average job at a server of speed 1.
JOB_SECONDS = 10.0


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - it must be the same each time


class Task(NamedTuple):
    """`length` in seconds at speed 1; `arrives` in seconds."""

    id: str
    model: int
    length: float
    arrives: float = 0.0
    project: str = "film"


class Fall(NamedTuple):
    """A server dies, with all it has, and is back some seconds later with nothing loaded."""

    at: float
    machine: int
    seconds: float


@dataclass(frozen=True)
class World:
    """`swaps[server][model]` in seconds; `noise` is the sigma of a log-normal factor."""

    speeds: tuple[float, ...]
    swaps: tuple[tuple[float, ...], ...]
    tasks: tuple[Task, ...]
    noise: float = 0.05
    falls: tuple[Fall, ...] = ()

    @property
    def models(self) -> int:
        return len(self.swaps[0])

    def bound(self) -> float:
        """The least T with sum of speed x max(0, T - cheapest load) >= total work."""
        owed, rate, best = sum(task.length for task in self.tasks), 0.0, float("inf")
        ranked = sorted(zip(map(min, self.swaps), self.speeds, strict=True))
        for load, speed in ranked:
            if load >= best:
                break
            rate += speed
            owed += load * speed
            best = owed / rate
        return best


@dataclass
class Machine:
    """`queue` holds what it was given; the first of it runs, from `began` on."""

    index: int
    speed: float
    loaded: int | None = None
    queue: list[Task] = field(default_factory=list)
    began: float = 0.0
    swapped: bool = False
    last_used: float = 0.0
    up: bool = True
    #: Which of its endings counts; those of runs that were lost do not.
    run: int = 0


class Order(NamedTuple):
    """Put a job into a server's queue, or take it `back` out of it while it waits there."""

    task_id: str
    machine: int
    back: bool = False


class Decider(Protocol):
    """Told of everything, and asked after each event what goes where."""

    def arrived(self, task: Task) -> None: ...
    def ended(self, task: Task, machine: Machine, now: float) -> None: ...
    def returned(self, task: Task) -> None: ...
    def decide(self, machines: Sequence[Machine], now: float) -> list[Order]: ...


class Result(NamedTuple):
    """Seconds until all was done, loads made, when each job ended, and how often it was given."""

    makespan: float
    swaps: int
    ends: dict[str, float]
    given: dict[str, int]


class _Event(NamedTuple):
    """`what`: "task" arrives, "end" of a run, "fall" or "rise" of a server."""

    at: float
    serial: int
    what: str
    machine: int = 0
    run: int = 0
    task: Task | None = None
    seconds: float = 0.0


class Simulation:
    def __init__(self, world: World, decider: Decider, seed: int) -> None:
        self.world = world
        self.decider = decider
        self.now = 0.0
        self.swaps = 0
        self.ends: dict[str, float] = {}
        self.given: dict[str, int] = {}
        self.machines = [Machine(index, speed) for index, speed in enumerate(world.speeds)]
        self._tasks = {task.id: task for task in world.tasks}
        self._random = seeded(seed)
        self._events: list[_Event] = []
        self._serial = 0
        for task in world.tasks:
            self._at(task.arrives, "task", task=task)
        for fall in world.falls:
            self._at(fall.at, "fall", machine=fall.machine, seconds=fall.seconds)

    def run(self) -> Result:
        """RuntimeError when the decider leaves jobs undone."""
        while self._events and len(self.ends) < len(self._tasks):
            self.now = self._events[0].at
            while self._events and self._events[0].at <= self.now:
                self._happen(heappop(self._events))
            self._obey()
        if len(self.ends) < len(self._tasks):
            raise RuntimeError(f"{len(self._tasks) - len(self.ends)} jobs were never done")
        return Result(max(self.ends.values()), self.swaps, self.ends, self.given)

    def _at(self, at: float, what: str, **more: object) -> None:
        self._serial += 1
        heappush(self._events, _Event(at, self._serial, what, **more))  # type: ignore[arg-type]

    def _happen(self, event: _Event) -> None:
        machine = self.machines[event.machine]
        if event.task is not None:
            self.decider.arrived(event.task)
        elif event.what == "fall":
            self._fall(machine, event.seconds)
        elif event.what == "rise":
            machine.up = True
        elif event.run == machine.run and machine.queue:
            self._end(machine)

    def _end(self, machine: Machine) -> None:
        task = machine.queue.pop(0)
        if task.id in self.ends:
            raise RuntimeError(f"{task.id} was done twice")
        self.ends[task.id] = machine.last_used = self.now
        self.decider.ended(task, machine, self.now)
        if machine.queue:
            self._begin(machine)

    def _fall(self, machine: Machine, seconds: float) -> None:
        lost, machine.queue = machine.queue, []
        machine.up, machine.loaded = False, None
        machine.run += 1
        for task in lost:
            self.decider.returned(task)
        self._at(self.now + seconds, "rise", machine=machine.index)

    def _obey(self) -> None:
        """Decide again after something was taken back, until nothing more is."""
        for _ in range(10):
            orders = self.decider.decide(self.machines, self.now)
            for order in orders:
                self._carry_out(order)
            if not any(order.back for order in orders):
                return

    def _carry_out(self, order: Order) -> None:
        machine, task = self.machines[order.machine], self._tasks[order.task_id]
        if order.back:
            machine.queue.remove(task)
            self.decider.returned(task)
            return
        self.given[task.id] = self.given.get(task.id, 0) + 1
        machine.queue.append(task)
        if len(machine.queue) == 1:
            self._begin(machine)

    def _begin(self, machine: Machine) -> None:
        task = machine.queue[0]
        machine.swapped = machine.loaded != task.model
        load = self.world.swaps[machine.index][task.model] if machine.swapped else 0.0
        self.swaps += machine.swapped
        machine.loaded, machine.began = task.model, self.now
        machine.run += 1
        factor = self._random.lognormvariate(0, self.world.noise) if self.world.noise else 1.0
        took = (load + task.length / machine.speed) * factor
        self._at(self.now + took, "end", machine=machine.index, run=machine.run)


def simulate(world: World, decider: Decider, *, seed: int) -> Result:
    return Simulation(world, decider, seed).run()
