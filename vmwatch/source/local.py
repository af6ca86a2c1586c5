"""Find the hypervisor of this machine, for those who configured none."""

import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue

import libvirt

from vmwatch.errors import HostError
from vmwatch.source.connection import open_libvirt
from vmwatch.source.loop import start_event_loop

CANDIDATES = ("qemu:///system", "")
"""The empty URI is libvirt's default: $LIBVIRT_DEFAULT_URI, `uri_default` of libvirt.conf, or what libvirt finds."""

ANSWER_SECONDS = 5.0


def local_hypervisor(candidates: Sequence[str] = CANDIDATES) -> str | None:
    """Return the URI of the first candidate that answers in time, None where none does; blocks."""
    start_event_loop()
    return next((uri for candidate in candidates if (uri := _answer(candidate))), None)


def _answer(candidate: str) -> str | None:
    """Ask in a thread: a daemon that hangs would keep us for ever."""
    answers: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=lambda: answers.put(_uri(candidate)), daemon=True).start()
    try:
        return answers.get(timeout=ANSWER_SECONDS)
    except Empty:
        return None


def _uri(candidate: str) -> str | None:
    try:
        connection = open_libvirt(candidate)
    except HostError:
        return None
    try:
        uri: str = connection.getURI()
        return uri
    except libvirt.libvirtError:
        return None
    finally:
        connection.close()
