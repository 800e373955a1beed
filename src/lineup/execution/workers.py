"""Track which workers of a cluster have room for a stage, and which workers have refused a stage.

Examples
--------
>>> workers = Workers()
>>> workers.update({"tcp://a:1": {"nthreads": 2, "resources": {"gpu": 1}}, "tcp://b:1": {"nthreads": 1}})
>>> workers.place("train@resnet", {"gpu": 1})
'tcp://a:1'
>>> workers.find("train@basic_cnn", {"gpu": 1}) is None  # the only GPU is in use
True
>>> workers.find("train@basic_cnn", {})
'tcp://b:1'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lineup.errors import count

Resources = Mapping[str, float]


@dataclass
class _Worker:
    threads: int
    resources: Resources
    name: str
    running: dict[str, Resources] = field(default_factory=dict)

    def has_room(self, wanted: Resources) -> bool:
        free = {
            name: self.resources.get(name, 0) - sum(used.get(name, 0) for used in self.running.values())
            for name in wanted
        }
        return len(self.running) < self.threads and all(free[name] >= amount for name, amount in wanted.items())


class Workers:
    """Workers of a cluster, and the stages that this process has assigned to each worker."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self._refused: set[tuple[str, str]] = set()

    def update(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the list of workers with the list from the scheduler.

        Parameters
        ----------
        found : dict of str to dict
            By address, values of ``Client.scheduler_info``: ``nthreads``, ``resources`` and ``name``.
        """
        former = self._workers
        self._workers = {
            address: _Worker(int(info["nthreads"]), info.get("resources") or {}, str(info.get("name", address)))
            for address, info in found.items()
        }
        for address in former.keys() & self._workers.keys():
            self._workers[address].running = former[address].running

    def __contains__(self, address: str) -> bool:
        return address in self._workers

    def slots(self) -> int:
        """Return the number of stages that the workers can run at the same time."""
        return sum(worker.threads for worker in self._workers.values())

    def name(self, address: str) -> str:
        """Return the name of a worker, which is its address by default."""
        return self._workers[address].name if address in self._workers else address

    def find(self, stage: str, wanted: Resources) -> str | None:
        """Return a worker that has enough free resources for a stage and has not refused the stage. Return None if
        there is none.

        A stage that needs no GPU prefers workers without a GPU. The same rule applies to all other resources. If
        several workers are equally suitable, the worker with the fewest stages is preferred.
        """
        fitting = [
            (len(worker.resources.keys() - wanted.keys()), len(worker.running), address)
            for address, worker in self._workers.items()
            if worker.has_room(wanted) and (address, stage) not in self._refused
        ]
        return min(fitting)[-1] if fitting else None

    def place(self, stage: str, wanted: Resources) -> str:
        """Reserve resources of a worker for a stage, and return the address of the worker. `find` has returned a worker
        before.
        """
        address = self.find(stage, wanted)
        assert address is not None
        self._workers[address].running[stage] = wanted
        return address

    def release(self, stage: str) -> None:
        """Free the room of a stage."""
        for worker in self._workers.values():
            worker.running.pop(stage, None)

    def refuse(self, address: str, stage: str) -> None:
        """Do not assign this stage to this worker again."""
        self._refused.add((address, stage))

    def describe(self) -> str:
        """Return the number of workers and their resources as text."""
        offers = [f"{worker.name}: {shown(worker.resources)}" for worker in self._workers.values() if worker.resources]
        return count(self._workers, "worker") + (f" ({'; '.join(offers)})" if offers else "")


def shown(resources: Resources) -> str:
    """Return resources as a short text.

    Examples
    --------
    >>> shown({"gpu": 1.0, "memory": 1.5})
    'gpu 1, memory 1.5'
    """
    return ", ".join(f"{name} {amount:g}" for name, amount in resources.items())
