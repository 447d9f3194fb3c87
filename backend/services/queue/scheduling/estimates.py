"""How long jobs and model loads take, learnt from those that ended. Pure: learning gives a copy.

Times are kept as logarithms, since servers and models differ by factors: what is known of a
server on one model says something of it on another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, log
from typing import Any, NamedTuple

from backend.services.queue.backlog import JobKind

#: Before anything is learnt: a picture of one megapixel and 20 steps takes ten seconds.
SECONDS_PER_WORK: Mapping[JobKind, float] = {"image": 0.5, "video": 0.5}
#: Before anything is learnt: reading some gigabytes from a disk.
SWAP_SECONDS = 10.0
#: A new observation never counts for less, so that a changed server is noticed.
_LEAST_GAIN = 0.2
#: An observation further off than this factor (e to it) counts as if it were just that far.
_OUTLIER = 1.1
#: What the guess for an unseen pair weighs, in observations.
_GUESS_WEIGHT = 0.5
_MOST_WEIGHT = 20.0
#: What draws a server's part to zero weighs, in observations.
_PULL = 0.02
#: From this share on the guess is not worth working out.
_SURE = 0.9
_LEAST_SECONDS = 0.001
#: No guess is longer: a slow server and a long load multiply beyond what there is.
_LONGEST_GUESS = log(86_400.0)


class RunningMean(NamedTuple):
    """A mean of logarithms, and how many observations stand behind it (at most 20)."""

    mean: float = 0.0
    weight: float = 0.0

    def moved(self, value: float) -> "RunningMean":
        if self.weight >= 2:
            value = min(self.mean + _OUTLIER, max(self.mean - _OUTLIER, value))
        gain = max(1 / (self.weight + 1), _LEAST_GAIN)
        weight = min(_MOST_WEIGHT, self.weight + 1)
        return RunningMean(self.mean + gain * (value - self.mean), weight)


_NOTHING = RunningMean()
Cells = Mapping[str, Mapping[str, RunningMean]]


@dataclass(frozen=True, slots=True)
class EstimateTable:
    """log(value) of each (server, thing) seen, and its parts: one of the server, one of the thing.

    The parts are those that fit what was seen best (least squares, one step nearer with each
    observation); a server's is drawn towards zero while little is known.
    """

    cells: Cells = field(default_factory=dict)
    servers: Mapping[str, float] = field(default_factory=dict)
    things: Mapping[str, float] = field(default_factory=dict)

    def value(self, server_id: str, thing: str, default: float) -> float:
        mean, weight = self.cell(server_id, thing)
        share = weight / (weight + _GUESS_WEIGHT)
        if share > _SURE:
            return exp(mean)
        return exp(share * mean + (1 - share) * self._guess(server_id, thing, default))

    def learn(self, server_id: str, thing: str, value: float) -> "EstimateTable":
        seen = log(max(value, _LEAST_SECONDS))
        own = {**self.cells.get(server_id, {}), thing: self.cell(server_id, thing).moved(seen)}
        cells: Cells = {**self.cells, server_id: own}
        things = {**self.things, thing: self._part_of_thing(cells, thing)}
        parts = [(cell, cell.mean - things[name]) for name, cell in own.items() if name in things]
        servers = {**self.servers, server_id: _mean(parts, drawn_to_zero=_PULL)}
        return EstimateTable(cells, servers, things)

    def cell(self, server_id: str, thing: str) -> RunningMean:
        own = self.cells.get(server_id)
        return own.get(thing, _NOTHING) if own else _NOTHING

    def knows(self, server_id: str, thing: str) -> bool:
        return thing in self.cells.get(server_id, {})

    def can_tell(self, server_id: str, thing: str) -> bool:
        """Whether the pair was seen, or the server at other things and the thing elsewhere."""
        return self.knows(server_id, thing) or (server_id in self.servers and thing in self.things)

    def without(self, server_id: str) -> "EstimateTable":
        cells = {name: own for name, own in self.cells.items() if name != server_id}
        servers = {name: part for name, part in self.servers.items() if name != server_id}
        return EstimateTable(cells, servers, self.things)

    def _guess(self, server_id: str, thing: str, default: float) -> float:
        base = self.things.get(thing)
        if base is None:
            # Of a thing never seen: the default, which two others outweigh.
            base = (2 * log(default) + sum(self.things.values())) / (2 + len(self.things))
        return min(_LONGEST_GUESS, self.servers.get(server_id, 0.0) + base)

    def _part_of_thing(self, cells: Cells, thing: str) -> float:
        seen = [(name, own[thing]) for name, own in cells.items() if thing in own]
        return _mean([(cell, cell.mean - self.servers.get(name, 0.0)) for name, cell in seen])


def _mean(parts: Sequence[tuple[RunningMean, float]], *, drawn_to_zero: float = 0.0) -> float:
    """Of the values beside each cell; one seen often counts for three observations at most."""
    weights = [min(3.0, cell.weight) for cell, _ in parts]
    total = sum(weight * value for weight, (_, value) in zip(weights, parts, strict=True))
    return total / (sum(weights) + drawn_to_zero)


class RunWithLoad(NamedTuple):
    """A run that began with a load, while the run alone is not known yet."""

    seconds: float
    work: float


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """A job that ended well. `seconds` from its start at the server; `swapped`: it had to load."""

    server_id: str
    model: str
    kind: JobKind
    work: float
    seconds: float
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Estimates:
    """Seconds per unit of work, and seconds to load a model, for each server."""

    rates: EstimateTable = EstimateTable()
    swaps: EstimateTable = EstimateTable()
    unsplit: Mapping[tuple[str, str], RunWithLoad] = field(default_factory=dict)

    def seconds_per_work(self, server_id: str, model: str, kind: JobKind) -> float:
        return self.rates.value(server_id, _thing(model, kind), SECONDS_PER_WORK[kind])

    def seconds(self, server_id: str, model: str, kind: JobKind, work: float) -> float:
        """Of the run alone."""
        return self.seconds_per_work(server_id, model, kind) * work

    def knows(self, server_id: str, model: str, kind: JobKind) -> bool:
        """Whether the server was seen at it, or both were seen often enough apart."""
        return self.rates.can_tell(server_id, _thing(model, kind))

    def knows_swap(self, server_id: str, model: str) -> bool:
        return self.swaps.knows(server_id, model)

    def pace(self, server_id: str) -> float:
        """Seconds beside an average server's, over all it was seen at: 0.5 is twice as fast."""
        return exp(self.rates.servers.get(server_id, 0.0))

    def swap_seconds(self, server_id: str, model: str) -> float:
        """To load a model; none where the model is not known."""
        return self.swaps.value(server_id, model, SWAP_SECONDS) if model else 0.0

    def learn(self, run: CompletedRun) -> "Estimates":
        """The estimates with one run more. Nonsense (no work, no time) changes nothing."""
        if run.work <= 0 or run.seconds <= 0:
            return self
        return self._learn_cold(run) if run.swapped and run.model else self._learn_warm(run)

    def without(self, server_id: str) -> "Estimates":
        """Of a server that was removed, or that is another machine now."""
        unsplit = {key: value for key, value in self.unsplit.items() if key[0] != server_id}
        return Estimates(self.rates.without(server_id), self.swaps.without(server_id), unsplit)

    def _learn_warm(self, run: CompletedRun) -> "Estimates":
        thing = _thing(run.model, run.kind)
        rates = self.rates.learn(run.server_id, thing, run.seconds / run.work)
        unsplit = dict(self.unsplit)
        cold = unsplit.pop((run.server_id, thing), None)
        known = replace(self, rates=rates, unsplit=unsplit)
        if cold is None:
            return known
        alone = known.seconds(run.server_id, run.model, run.kind, cold.work)
        return _with_load(known, run, cold.seconds - alone)

    def _learn_cold(self, run: CompletedRun) -> "Estimates":
        """Tell load and run apart if the run is known; else wait for a warm one."""
        key = (run.server_id, _thing(run.model, run.kind))
        alone = self.seconds(run.server_id, run.model, run.kind, run.work)
        if self.rates.knows(*key):
            return _with_load(self, run, run.seconds - alone)
        if key not in self.unsplit:
            waiting = {**self.unsplit, key: RunWithLoad(run.seconds, run.work)}
            return replace(self, unsplit=waiting)
        # It never stays for a second job: split as the guesses stand to each other.
        load = self.swap_seconds(run.server_id, run.model)
        part = run.seconds * load / (load + alone)
        rates = self.rates.learn(*key, (run.seconds - part) / run.work)
        return _with_load(replace(self, rates=rates), run, part)


def _with_load(estimates: Estimates, run: CompletedRun, seconds: float) -> Estimates:
    """Never nothing: a run that was quicker than expected says little of its load."""
    least = max(seconds, 0.02 * run.seconds)
    swaps = estimates.swaps.learn(run.server_id, run.model, least)
    return replace(estimates, swaps=swaps)


def remaining(expected: float, elapsed: float) -> float:
    """Seconds that a running job will still take. Once it is late, the later the longer."""
    return max(expected - elapsed, 0.1 * elapsed)


def _thing(model: str, kind: JobKind) -> str:
    return f"{kind}:{model}"


def estimates_to_dict(estimates: Estimates) -> dict[str, Any]:
    """Lists of rows: names of models may hold what a document's keys may not."""
    return {
        "rates": _table_rows(estimates.rates),
        "swaps": _table_rows(estimates.swaps),
        "unsplit": [[*key, *value] for key, value in estimates.unsplit.items()],
    }


def estimates_from_dict(document: Mapping[str, Any]) -> Estimates:
    """What estimates_to_dict wrote; of an empty document: nothing learnt."""
    return Estimates(
        _table(document.get("rates", {})),
        _table(document.get("swaps", {})),
        {(row[0], row[1]): RunWithLoad(row[2], row[3]) for row in document.get("unsplit", [])},
    )


def _table_rows(table: EstimateTable) -> dict[str, Sequence[Sequence[Any]]]:
    return {
        "cells": [
            [server_id, thing, *cell]
            for server_id, own in table.cells.items()
            for thing, cell in own.items()
        ],
        "servers": [[key, value] for key, value in table.servers.items()],
        "things": [[key, value] for key, value in table.things.items()],
    }


def _table(rows: Mapping[str, Any]) -> EstimateTable:
    cells: dict[str, dict[str, RunningMean]] = {}
    for server_id, thing, mean, weight in rows.get("cells", []):
        cells.setdefault(server_id, {})[thing] = RunningMean(mean, weight)
    servers, things = (
        {row[0]: row[1] for row in rows.get(part, [])} for part in ("servers", "things")
    )
    return EstimateTable(cells, servers, things)
