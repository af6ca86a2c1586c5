"""libvirt's event loop in a thread of its own, and the mailbox by which its callbacks reach asyncio's.

libvirt's own default loop, not the libvirtaio that comes with libvirt-python: that one is not thread-safe, and delivers
seconds late or never while another thread makes calls on the same connection.  Callbacks run on this loop's thread with
libvirt waiting: they copy their arguments into the mailbox and return.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import libvirt
import structlog

MAILBOX_CALLBACKS = 65_536
SLICE_CALLBACKS = 200
_WAKE_MILLISECONDS = 1000

_start_lock = threading.Lock()
_started: list[threading.Thread] = []

log = structlog.get_logger(__name__)


def start_event_loop() -> None:
    """Start libvirt's event loop, once for the process; call it before the first connection is opened.

    There is one implementation for a process, for ever: libvirt ignores a later registration.
    """
    with _start_lock:
        if _started:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors reach us as exceptions
        libvirt.virEventRegisterDefaultImpl()
        # Without a timer an idle loop sleeps for ever, also when another thread adds a file descriptor (libvirt 9).
        libvirt.virEventAddTimeout(_WAKE_MILLISECONDS, lambda _timer, _opaque: None, None)
        thread = threading.Thread(target=_run, name="libvirt events", daemon=True)
        thread.start()
        _started.append(thread)


def _run() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            log.exception("libvirt's event loop stumbled")


class Mailbox:
    """Carries what one host's callbacks copied to asyncio's loop, in order; one wake-up takes all that waits.

    At most *size* wait.  What comes then is lost until *receive* has had all of them; *overflowed* is called in its
    place, with how many there were.
    """

    def __init__(
        self, receive: Callable[[Any], None], overflowed: Callable[[int], None], size: int = MAILBOX_CALLBACKS
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._overflowed = overflowed
        self._size = size
        self._waiting: deque[Any] = deque()
        self._lost = 0
        self._lock = threading.Lock()
        self._awake = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Any) -> None:
        """Hand *item* over.  For libvirt's thread: never blocks, never fails."""
        with self._lock:
            if self._lost or len(self._waiting) >= self._size:
                self._lost += 1
                return
            self._waiting.append(item)
            if self._awake:
                return
            self._awake = True
        with suppress(RuntimeError):  # asyncio's loop has ended: nobody is left to tell
            self._loop.call_soon_threadsafe(self._take)

    def take_all(self) -> None:
        """Hand over all that waits, before the caller goes on: for what has to be told after it."""
        while self._take_one():
            pass

    def _take(self) -> None:
        for _ in range(SLICE_CALLBACKS):
            if not self._take_one():
                return
        self._loop.call_soon(self._take)  # others get their turn

    def _take_one(self) -> bool:
        with self._lock:
            lost, item = 0, None
            if self._waiting:
                item = self._waiting.popleft()
            elif self._lost:
                lost, self._lost = self._lost, 0
            else:
                self._awake = False
                return False
        try:
            self._overflowed(lost) if lost else self._receive(item)
        except Exception:  # a bug in one host's decoding harms that callback only
            log.exception("receiving a callback has a bug")
        return True


class Gate:
    """Holds back what is *put* until it is opened: so that what announces callbacks can stand before the first one."""

    def __init__(self, put: Callable[[Any], None]) -> None:
        self._put = put
        self._held: list[Any] | None = []
        self._lock = threading.Lock()

    def put(self, item: Any) -> None:
        """Pass *item* on, or hold it."""
        with self._lock:
            if self._held is not None:
                self._held.append(item)
                return
        self._put(item)

    def open(self, first: Any) -> None:
        """Pass on *first*, then all that was held, and from now on everything."""
        with self._lock:
            for item in (first, *(self._held or ())):
                self._put(item)
            self._held = None
