"""What a listing has of each domain, and which state that says; pure."""

from collections.abc import Sequence

import msgspec

from vmwatch import words
from vmwatch.events import State, Time
from vmwatch.state import KnownDomain
from vmwatch.words import word


class Listed(msgspec.Struct, frozen=True):
    """A domain in a listing, in libvirt's numbers; *persistent* is None where the driver cannot tell."""

    uuid: str
    name: str
    id: int | None
    state: int
    reason: int
    persistent: bool | None


class Listing(msgspec.Struct, frozen=True):
    """All domains of a host, as they were at some moments between *began* and *returned*."""

    host: str
    uri: str | None
    began: Time
    returned: Time
    domains: Sequence[Listed]


def listed_state(domain: KnownDomain | None, one: Listed) -> State | None:
    """Return the state that *one* is listed in; None where that says nothing."""
    name, reason = word(words.STATES, one.state), reason_of(one)
    if name == "paused" and reason == "starting-up":
        return None  # a big guest starts for many seconds, and may fail to
    if name == "paused" and domain is not None and domain.state is State.SHUTDOWN:
        # the guest has finished: libvirt pauses what is left where a job keeps it, or while it tears it down
        finished = domain.evidence.guest_shutdown or reason == "shutting-down"
        return State.SHUTDOWN if finished else State.PAUSED
    if name == "blocked":
        return State.RUNNING  # Xen: idle
    return None if says_no_state(one) else State(name)


def says_no_state(one: Listed) -> bool:
    """Say whether the driver did not know the state of *one*: that is no information, whatever it was before."""
    name = word(words.STATES, one.state)
    return name == "nostate" or name.startswith("unknown-")


def reason_of(one: Listed) -> str:
    """Return libvirt's word for why *one* is in its state."""
    return word(words.STATE_REASONS.get(word(words.STATES, one.state), ()), one.reason)
