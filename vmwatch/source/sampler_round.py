"""One round of calls by the sampler's threads: all jobs by a deadline, without those that a stuck guest holds up."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import libvirt
import msgspec
import structlog

from vmwatch.errors import HostError
from vmwatch.source.sampler_crew import Call, Crew
from vmwatch.source.sampler_reader import Listed
from vmwatch.source.sampler_stuck import StuckGuests

FIRST_LOOK_SECONDS = 0.5
NEXT_LOOK_SECONDS = 0.25

_LARGEST_SHARD = 16
_ROUNDS = 2  # so that threads which are done early help the others

log = structlog.get_logger(__name__)


class Job(msgspec.Struct, frozen=True):
    """Something to *call* in a thread about *domains*, and who is to *take* the answer on the loop."""

    call: Callable[[libvirt.virConnect, Sequence[Listed]], Any]
    domains: Sequence[Listed]
    take: Callable[[Any], None]


def split(domains: Sequence[Listed], threads: int) -> list[Sequence[Listed]]:
    """Return *domains* in shards of about one size, a multiple of *threads*; neighbours stand apart."""
    rounds = max(_ROUNDS, -(-len(domains) // (threads * _LARGEST_SHARD)))
    shards = [domains[at :: threads * rounds] for at in range(threads * rounds)]
    return [shard for shard in shards if shard]


class Round:
    """Does jobs with *crew* until *deadline* (seconds of the loop's clock); whom a call waits for becomes *stuck*."""

    def __init__(self, crew: Crew, stuck: StuckGuests, deadline: float) -> None:
        self._crew = crew
        self._stuck = stuck
        self._deadline = deadline
        began = asyncio.get_running_loop().time()
        self._first_look_seconds = min(FIRST_LOOK_SECONDS, 0.4 * max(0.0, deadline - began))
        self._jobs: deque[Job] = deque()
        self._running: dict[asyncio.Task[None], tuple[Job, Call[Any]]] = {}

    async def run(self, jobs: Sequence[Job]) -> None:
        """Do *jobs*; what is not done at the deadline is left behind."""
        self._jobs.extend(jobs)
        loop = asyncio.get_running_loop()
        try:
            while loop.time() < self._deadline and self._begin():
                done, _ = await asyncio.wait(
                    self._running, timeout=self._deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    del self._running[task]
                    task.result()
        finally:
            for task, (job, call) in self._running.items():
                task.cancel()
                if not call.outcome.done():
                    self._crew.give_up(call)
                    self._stuck.suspect([one.domain for one in job.domains], call.began)
            await asyncio.gather(*self._running, return_exceptions=True)

    def _begin(self) -> bool:
        while self._jobs and self._crew.free > 0:
            job = self._jobs.popleft()
            call = self._crew.begin(partial(_do, job))
            self._running[asyncio.create_task(self._finish(job, call))] = (job, call)
        return bool(self._running)

    async def _finish(self, job: Job, call: Call[Any]) -> None:
        look_seconds = self._first_look_seconds
        while not call.outcome.done():
            await asyncio.wait({call.outcome}, timeout=look_seconds)
            if not call.outcome.done() and await self._left_behind(job, call):
                return
            look_seconds = NEXT_LOOK_SECONDS
        try:
            answer = call.outcome.result()
        except (libvirt.libvirtError, HostError) as error:
            log.debug("no answer from libvirt", domains=len(job.domains), reason=str(error))
            return
        job.take(answer)

    async def _left_behind(self, job: Job, call: Call[Any]) -> bool:
        """Look whether a guest holds up *call*; if so leave it behind, and have the others asked again."""
        stuck = await self._stuck.among([one.domain for one in job.domains], call.began)
        if not stuck or call.outcome.done():
            return False
        self._crew.give_up(call)
        others = [one for one in job.domains if one.domain.uuid not in stuck]
        if others:
            self._jobs.append(Job(job.call, others, job.take))
        return True


def _do(job: Job, connection: libvirt.virConnect) -> Any:
    return job.call(connection, job.domains)
