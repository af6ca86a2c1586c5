"""A libvirt callback as it came: what connection, recorded traces and tests hand to the normaliser."""

from typing import Any

import msgspec

from vmwatch.events import Time

POORER_TWINS = frozenset({"IO_ERROR", "BLOCK_JOB", "PMSUSPEND", "PMWAKEUP", "PMSUSPEND_DISK"})
"""Domain events that another one repeats with more in it: IO_ERROR_REASON, BLOCK_JOB_2, LIFECYCLE."""


class Callback(msgspec.Struct, frozen=True, gc=False):
    """One call of libvirt's: *name* is the event id's, without its prefix, or `unknown-<n>`.

    *family* is `domain`, `network`, `storage_pool`, `node_device` or `secret`.  *object_id* is what `ID()` said, -1 for
    an inactive domain.  *arguments* are those after the connection and the object, without the opaque one.  *time* is
    that of receipt: libvirt sends none.
    """

    host: str
    uri: str | None
    family: str
    name: str
    object_uuid: str | None
    object_name: str
    object_id: int
    arguments: tuple[Any, ...]
    time: Time
