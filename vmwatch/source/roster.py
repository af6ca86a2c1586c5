"""Who is to be watched: the hosts of the configuration, and of the lists it names, which others change at any time."""

import asyncio
from collections.abc import Sequence

import structlog

from vmwatch.errors import ConfigError
from vmwatch.host_lists import all_hosts, fingerprint
from vmwatch.settings import HostSettings, Settings
from vmwatch.source.host import Host
from vmwatch.source.line import OPENINGS_AT_ONCE

log = structlog.get_logger(__name__)


class Roster:
    """The hosts that *settings* name, as they are now; raises ConfigError when made from lists that are wrong.

    A host that stays is the same object.  Lists that are wrong later are told, and change nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(OPENINGS_AT_ONCE)
        self._read = fingerprint(settings.host_lists)
        self._hosts = self._make(self._look(), {})

    def __call__(self) -> Sequence[Host]:
        """Return the hosts, after a look at the lists."""
        look = fingerprint(self._settings.host_lists)
        if look != self._read:
            self._read = look
            try:
                self._hosts = self._make(self._look(), {host.settings: host for host in self._hosts})
            except ConfigError as error:
                log.error("list of hosts not taken over", reason=str(error))
        return self._hosts

    def _look(self) -> Sequence[HostSettings]:
        hosts = all_hosts(self._settings.hosts, self._settings.host_lists, self._settings.shard)
        if not hosts:
            log.warning("no host to watch")
        return hosts

    def _make(self, wanted: Sequence[HostSettings], present: dict[HostSettings, Host]) -> Sequence[Host]:
        settings = self._settings
        return [
            present.get(one) or Host(one, settings.stats, settings.show, settings.metadata, turns=self._turns)
            for one in wanted
        ]
