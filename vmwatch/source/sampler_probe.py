"""Asks how it stands with guests' monitors, by a thread and a connection of its own: for the sampler.

`controlInfo` stays instant while guests hang (libvirt 9.0.0), so what does not come back soon is the host's fault.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import libvirt
import structlog

from vmwatch.errors import HostError
from vmwatch.events import Domain
from vmwatch.source.sampler_crew import Crew
from vmwatch.source.sampler_reader import busy_seconds

PROBE_SECONDS = 1.0

AT_ONCE = 8
"""Guests in one call: two round trips for each, to a host that may be far away."""

log = structlog.get_logger(__name__)


class Prober:
    """Probes guests of the host called *host_name*; *returned* is told when a call given up is back.

    A call has *seconds* to answer.
    """

    def __init__(
        self,
        host_name: str,
        connect: Callable[[], libvirt.virConnect],
        returned: Callable[[], None],
        seconds: float = PROBE_SECONDS,
    ) -> None:
        self.crew = Crew(f"probe {host_name}", 1, connect, returned)
        self._host_name = host_name
        self._seconds = seconds
        self._lock = asyncio.Lock()

    async def probe(self, domains: Sequence[Domain]) -> Mapping[str, float] | None:
        """Return how long the monitors of *domains* have been busy, by uuid, without unknown ones; None: no answer."""
        async with self._lock:
            try:
                return await self._ask(domains) if await self.crew.ready(self._seconds) else None
            except (libvirt.libvirtError, HostError) as error:
                log.debug("no probe", host=self._host_name, reason=str(error))
                return None

    async def _ask(self, domains: Sequence[Domain]) -> Mapping[str, float] | None:
        found: dict[str, float] = {}
        for start in range(0, len(domains), AT_ONCE):
            some = domains[start : start + AT_ONCE]
            answer = await self.crew.ask(partial(busy_seconds, domains=some), self._seconds)
            if answer is None:
                return None
            found |= answer
        return found
