"""Known state as the rows that the journal keeps beside its events, and back."""

from collections.abc import Mapping
from typing import Any

import msgspec

from vmwatch.encode import decode_time, encode_time
from vmwatch.journal_file import KnownKey
from vmwatch.state import Changes, DomainCounters, KnownDomain, KnownHost, KnownState

_encoder = msgspec.json.Encoder(enc_hook=encode_time)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    "host": msgspec.json.Decoder(KnownHost, dec_hook=decode_time),
    "domain": msgspec.json.Decoder(KnownDomain, dec_hook=decode_time),
    "counters": msgspec.json.Decoder(DomainCounters, dec_hook=decode_time),
}


def known_rows(changes: Changes) -> dict[KnownKey, bytes | None]:
    """Return what to write down for *changes*; None stands for what was forgotten."""
    rows: dict[KnownKey, bytes | None] = {("host", name, ""): _write(host) for name, host in changes.hosts.items()}
    for (host, uuid), domain in changes.domains.items():
        rows["domain", host, uuid] = _write(domain)
    for (host, name), counters in changes.counters.items():
        rows["counters", host, name] = _write(counters)
    return rows


def everything(known: KnownState) -> Changes:
    """Return all that is known as if it had just changed."""
    return Changes(
        hosts=dict(known.hosts),
        domains={(host, uuid): domain for host, some in known.domains.items() for uuid, domain in some.items()},
        counters={(host, name): one for host, some in known.counters.items() for name, one in some.items()},
    )


def restore(known: KnownState, rows: Mapping[KnownKey, bytes | None]) -> None:
    """Put what *rows* say into *known*, which is empty; msgspec.MsgspecError, and nothing put, where one is none."""
    values = [(place, _decoders[place[0]].decode(body or b"")) for place, body in rows.items()]
    for (kind, host, key), value in values:
        known.host(host)
        if kind == "host":
            known.hosts[host] = value
        elif kind == "domain":
            known.domains[host][key] = value
        else:
            known.counters[host][key] = value
    known.take_changes()


class CommittedCounters:
    """The event counters as the last committed rows have them; read only when somebody looks, as groups are many."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[str, DomainCounters]] = {}
        self._unread: dict[KnownKey, bytes | None] = {}

    def put(self, rows: Mapping[KnownKey, bytes | None]) -> None:
        """Take *rows* of what is known, which have been committed."""
        self._unread |= {key: body for key, body in rows.items() if key[0] == "counters"}

    def look(self) -> Mapping[str, Mapping[str, DomainCounters]]:
        """Return the counters by host and name."""
        unread, self._unread = self._unread, {}
        for (_kind, host, name), body in unread.items():
            if body is None:
                self._counters.get(host, {}).pop(name, None)
            else:
                self._counters.setdefault(host, {})[name] = _decoders["counters"].decode(body)
        return self._counters


def _write(value: msgspec.Struct | None) -> bytes | None:
    return None if value is None else _encoder.encode(value)
