"""The compacted topic of present states: one record for each domain on each host, nothing for what is gone.

States come from the one fold, which may be ahead of the batch in hand: a record says the `sequence` it stands at.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from vmwatch.encode import decode_time, encode_time
from vmwatch.events import Domain, DomainEvent, DomainSampled, Event, State, Time
from vmwatch.pipeline import Watch
from vmwatch.state import KnownDomain, KnownState
from vmwatch_exporters.kafka.records import Record

_HEADERS = [("content-type", b"application/json")]


class DomainState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The value of a record: a domain as it stands on *host* after event *sequence* of that host, told at *time*.

    *since* is when the state was entered, *started* when the domain became active.  *owner* is the host that has the
    guest: another one than *host* at the source of a migration that has switched over, and at the destination until
    then; absent while nobody known has it.
    """

    host: str
    uri: str | None = None
    sequence: int
    time: Time | None = None
    domain: Domain
    state: State
    since: Time | None = None
    started: Time | None = None
    persistent: bool | None = None
    owner: str | None = None
    labels: dict[str, str] = {}


_encoder = msgspec.json.Encoder(enc_hook=encode_time)
_decoder = msgspec.json.Decoder(DomainState, dec_hook=decode_time)

Key = tuple[str, str]
"""A host and the uuid of a domain."""


class States:
    """What has to be sent to *topic*, given what *watch* knows; nothing if *topic* is empty.

    *concerns* says of a host and a domain whether they belong into the topic.  Only hosts that are watched now are ours
    to speak about: one that was may be another vmwatch's by now.
    """

    def __init__(self, topic: str, watch: Watch, concerns: Callable[[str, Domain], bool]) -> None:
        self._concerns = concerns
        self._topic = topic
        self._watch = watch
        self._hosts = _watched(watch) if topic else frozenset()
        self._others: set[str] = set()
        self._unsettled: dict[str, dict[str, bytes]] = {host: {} for host in self._hosts}

    def ours(self, key: bytes) -> bool:
        """Say whether a record with this *key* is about a host that is ours to speak about."""
        return _parted(key)[0] in self._hosts

    def differing(self, stored: Mapping[bytes, bytes]) -> Iterator[Record]:
        """Yield what the topic does not say of domains that are known, if it has *stored* values by key."""
        for key, value in stored.items():
            host, uuid = _parted(key)
            self._unsettled[host][uuid] = value
        for host, stored_there in list(self._unsettled.items()):
            for uuid, domain in list(self._watch.known().domains.get(host, {}).items()):
                if (
                    domain.exists
                    and self._wanted(host, domain)
                    and not _says(stored_there.get(uuid), self._value(host, domain))
                ):
                    yield self._record((host, uuid))

    def unsettled(self) -> bool:
        """Say whether the topic may have domains that are gone, of hosts whose domains are not all known yet."""
        return any(self._unsettled.values())

    def settled(self) -> Iterator[Record]:
        """Yield what deletes the stored domains that are gone, of hosts that were listed since vmwatch started."""
        known = self._watch.known()
        for host in [host for host in self._unsettled if _listed_in_this_run(known, host)]:
            for uuid in self._unsettled.pop(host):
                if _present(known, (host, uuid)) is None:
                    yield self._record((host, uuid))

    def outdated(self, batch: Sequence[Event]) -> bool:
        """Say whether *batch* is about a host that is ours since the topic was read: it has to be read again."""
        if not self._topic:
            return False
        new = {event.host for event in batch if isinstance(event, DomainEvent)} - self._hosts - self._others
        self._others |= new
        return bool(new & _watched(self._watch)) if new else False

    def after(self, batch: Sequence[Event]) -> Iterator[Record]:
        """Yield the states of all domains that *batch* is about, on all hosts that have them.

        One that is not chosen any more, as it has another name, has none.
        """
        if not self._topic:
            return
        known = self._watch.known()
        about = _about(batch)
        for key in about | _elsewhere(about, known):
            domain = known.domain(*key)
            if key[0] in self._hosts and (key in about or domain is None or self._wanted(key[0], domain)):
                yield self._record(key)

    def _wanted(self, host: str, domain: KnownDomain) -> bool:
        return self._concerns(host, Domain(domain.uuid, domain.name, domain.id))

    def _record(self, key: Key) -> Record:
        domain = _present(self._watch.known(), key)
        there = domain is not None and self._wanted(key[0], domain)
        value = _encoder.encode(self._value(key[0], domain)) if domain and there else None
        key_bytes = "/".join(key).encode("utf-8", "replace")
        return Record(self._topic, key_bytes, value, _HEADERS, time.time_ns() // 1_000_000)

    def _value(self, host: str, domain: KnownDomain) -> DomainState:
        known = self._watch.known()
        return DomainState(
            host=host,
            uri=known.hosts[host].uri,
            sequence=domain.sequence,
            time=domain.last_told,
            domain=Domain(domain.uuid, domain.name, domain.id),
            state=domain.state,
            since=domain.since,
            started=domain.started,
            persistent=domain.persistent,
            owner=owner(known, host, domain),
            labels=dict(self._watch.labels),
        )


def owner(known: KnownState, host: str, domain: KnownDomain) -> str | None:
    """Return the host that has the guest of *domain*, as *host* knows it; None while nobody known has it."""
    elsewhere = [other for other, end in known.everywhere(domain.uuid) if end.state.active and _has(end)]
    if _has(domain) and (domain.state.active or not elsewhere):
        return host
    return elsewhere[0] if elsewhere else None


def _has(domain: KnownDomain) -> bool:
    expected = domain.evidence.incoming and not domain.evidence.arrived
    return domain.exists and not domain.handed_over and not expected


def _parted(key: bytes) -> Key:
    host, _slash, uuid = key.decode("utf-8", "replace").rpartition("/")
    return host, uuid


def _present(known: KnownState, key: Key) -> KnownDomain | None:
    domain = known.domain(*key)
    return domain if domain is not None and domain.exists else None


def _listed_in_this_run(known: KnownState, host: str) -> bool:
    listed_at = known.hosts[host].listed_at if host in known.hosts else None
    return listed_at is not None and listed_at.monotonic is not None  # which no time has that was read from the journal


def _watched(watch: Watch) -> frozenset[str]:
    return frozenset(status.host for status in watch.hosts())


def _about(batch: Iterable[Event]) -> dict[Key, None]:
    return {
        (event.host, event.domain.uuid): None
        for event in batch
        if isinstance(event, DomainEvent) and not isinstance(event, DomainSampled)
    }


def _elsewhere(about: Iterable[Key], known: KnownState) -> dict[Key, None]:
    return {(host, uuid): None for _host, uuid in about for host, _domain in known.everywhere(uuid)}


def _says(stored: bytes | None, value: DomainState) -> bool:
    try:
        return stored is not None and _decoder.decode(stored) == value
    except msgspec.MsgspecError:
        return False
