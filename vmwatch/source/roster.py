"""Who is to be watched: the hosts of the configuration, and of the lists it names, which others change at any time."""

import asyncio
from collections.abc import Sequence

import structlog

from vmwatch.host_lists import HostLists
from vmwatch.settings import HostSettings, Settings
from vmwatch.source.host import Host
from vmwatch.source.openings import Openings
from vmwatch.threads import Worker
from vmwatch.uris import without_credentials

log = structlog.get_logger(__name__)


class Roster:
    """The hosts that *settings* name, as they are now; raises ConfigError when made from lists that are wrong.

    A host that stays is the same object.  Lists that are wrong later are told, and change nothing.  *openings* are to
    be those of all rosters of the process.
    """

    def __init__(self, settings: Settings, openings: Openings | None = None) -> None:
        self._settings = settings
        self._openings = openings or Openings()
        self._lists = HostLists(settings.hosts, settings.host_lists, settings.shard)
        self._looking: asyncio.Future[bool] | None = None
        self._hosts: Sequence[Host] = ()
        self._take_over()

    def __call__(self) -> Sequence[Host]:
        """Return the hosts as the last look at the lists found them, and begin the next one.

        Looking takes as long as the lists are long and their disk is slow, so it is done in a thread, which ends with
        it: nobody has to end it.
        """
        if not self._settings.host_lists or (self._looking and not self._looking.done()):
            return self._hosts
        if self._looking:
            self._end_look(self._looking)
        worker = Worker("lists of hosts")
        self._looking = worker.submit(self._lists.again)
        worker.end()
        return self._hosts

    def _end_look(self, looking: "asyncio.Future[bool]") -> None:
        try:
            if looking.result():
                self._take_over()
        except Exception:  # lists that bring up a bug end nothing that is watched
            log.exception("lists of hosts not taken over")

    def _take_over(self) -> None:
        wanted = self._lists.hosts
        present = {host.settings: host for host in self._hosts}
        if not wanted:
            log.warning("no host to watch")
        _warn_of_passwords([one for one in wanted if one not in present])
        self._hosts = self._make(wanted, present)

    def _make(self, wanted: Sequence[HostSettings], present: dict[HostSettings, Host]) -> Sequence[Host]:
        settings = self._settings
        return [
            present.get(one) or Host(one, settings.stats, settings.show, settings.metadata, openings=self._openings)
            for one in wanted
        ]


def _warn_of_passwords(hosts: Sequence[HostSettings]) -> None:
    names = [host.name for host in hosts if without_credentials(host.uri) != host.uri]
    if names:
        advice = "give it in a libvirt auth file, and that file's path in auth_file"
        log.warning("password in a URI, where libvirt mostly ignores it", hosts=", ".join(names), advice=advice)
