"""What each hypervisor driver of libvirt gives, a row for each: events, statistics, listings, and what not to believe.

For whoever connects.  libvirt has no way to ask for most of this: a driver takes the registration of events that it
never sends, and answers 0 where it does not know.  What can be asked is asked on connecting, and the answer beats the
row; a driver without a row is taken at its word but polled as well.  Facts of libvirt 9.0.0 to 12.8.0.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from enum import Enum
from urllib.parse import urlsplit

import msgspec


class Events(Enum):
    """How far a driver's lifecycle callbacks tell what happens."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    NONE = "none"


class Look(Enum):
    """How all states of a host are found out."""

    BY_DOMAIN = "list, then the state of each domain"
    BY_STATE = "one listing for each state"
    ANEW = "list by a new connection each time, then the state of each domain"
    ANEW_AND_HELD = (
        "list by a new connection each time, and by older ones what that does not list, then each state; "
        "one that none of them lists may be off"
    )


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """One driver.

    *type* is what virConnectGetType says, in lower case.  *missing* says which changes its events do not tell.  *bulk*
    has the groups of bulk statistics, *calls* those for each domain that answer with something.  *wrong* are figures
    not to be believed, by libvirt's key of bulk statistics, and why.  *new_ids*: another id is another start.
    *families*: beside it in its daemon are drivers of networks, pools, devices and secrets, whose events can be had.
    *since* and *until* are the first version of libvirt that has it and the first that has it no more.
    """

    name: str
    type: str
    schemes: tuple[str, ...]
    events: Events
    missing: str = ""
    bulk: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    wrong: Mapping[str, str] = {}
    look: Look = Look.BY_DOMAIN
    poll_seconds: float = 5.0
    new_ids: bool = True
    families: bool = False
    since: str = ""
    until: str = ""

    @property
    def lists_stopped(self) -> bool:
        """Whether every listing has all that is defined, so that what is not listed is gone; else it may be off."""
        return self.look is not Look.ANEW_AND_HELD


_FIVE_GROUPS = ("state", "vcpu", "interface", "balloon", "block")
_EVERY_GROUP = (*_FIVE_GROUPS, "cpu", "perf", "iothread", "memory", "dirtyrate", "vm")
_EVERY_CALL = ("info", "CPUStats", "memoryStats", "vcpus", "blockStats", "interfaceStats")

_NO_CPU_TIME = {"cpu.time": "always 0"}
_LAST_INTERVAL = {"cpu.time": "not a counter: the last interval's, or 0"}
_NO_MEMORY = {"balloon.maximum": "always 0", "balloon.current": "always 0"}

DRIVERS = (
    Driver(
        name="QEMU/KVM",
        type="qemu",
        schemes=("qemu",),
        events=Events.COMPLETE,
        bulk=_EVERY_GROUP,
        calls=_EVERY_CALL,
        families=True,
        since="0.2.0",
    ),
    Driver(
        name="Xen",
        type="xen",
        schemes=("xen",),
        events=Events.COMPLETE,
        calls=_EVERY_CALL,
        wrong={"balloon.available": "the most the domain may have, not what the guest sees"},
        families=True,
        since="0.9.0",
    ),
    Driver(
        name="LXC",
        type="lxc",
        schemes=("lxc",),
        events=Events.COMPLETE,
        calls=("info", "CPUStats", "memoryStats", "blockStats", "interfaceStats"),
        wrong={"balloon.swap_in": "swap in use, not what was read in"},
        families=True,
        since="0.4.0",
    ),
    Driver(
        name="bhyve",
        type="bhyve",
        schemes=("bhyve",),
        events=Events.PARTIAL,
        missing="what a guest does by itself: power-off, reboot, crash",
        # info has the process's CPU time, but 0 for the present memory; the other calls are there since 11.7.0
        calls=("info", "memoryStats", "blockStats", "interfaceStats"),
        families=True,
        since="1.2.2",
    ),
    Driver(
        name="Virtuozzo",
        type="vz",
        schemes=("vz", "parallels"),
        events=Events.COMPLETE,
        bulk=_FIVE_GROUPS,  # asked without flags: it refuses NOWAIT
        calls=("info", "memoryStats", "vcpus", "blockStats", "interfaceStats"),  # the CPU time is in info alone
        families=True,
        since="1.2.10",
    ),
    Driver(
        name="Cloud Hypervisor",
        type="ch",
        schemes=("ch",),
        events=Events.PARTIAL,
        missing="what a guest does by itself before libvirt 11.8.0; all before 10.10.0",
        calls=("info", "vcpus"),
        families=True,
        since="7.5.0",
    ),
    Driver(
        name="OpenVZ",
        type="openvz",
        schemes=("openvz",),
        events=Events.NONE,
        calls=("info", "interfaceStats"),
        wrong=_NO_MEMORY,
        look=Look.ANEW,  # ids, isActive and listings stay as they were when the connection was opened
        poll_seconds=15.0,  # a program is run for each state
        new_ids=False,
        since="0.3.1",
    ),
    Driver(
        name="VMware ESX, vCenter, GSX",
        type="esx",
        schemes=("esx", "vpx", "gsx"),
        events=Events.NONE,
        calls=("info",),
        wrong=_LAST_INTERVAL,
        look=Look.BY_STATE,  # a state is a call over the network for each VM
        poll_seconds=15.0,
        new_ids=False,  # a VM keeps its id
        since="0.7.0",
    ),
    Driver(
        name="VMware Player, Workstation, Fusion",
        type="vmware",
        schemes=("vmwareplayer", "vmwarews", "vmwarefusion"),
        events=Events.NONE,
        calls=("info",),
        wrong=_NO_CPU_TIME,
        # New VMs are seen by new connections only, stopped ones by old connections only: so nobody can tell whether one
        # that was off already is still defined, and no undefine is told.
        look=Look.ANEW_AND_HELD,
        poll_seconds=15.0,  # a program is run for each state
        new_ids=False,
        since="0.8.7",
    ),
    Driver(
        name="Hyper-V",
        type="hyper-v",
        schemes=("hyperv",),
        events=Events.NONE,
        calls=("info", "vcpus"),  # the latter since 6.10.0
        wrong=_NO_CPU_TIME,
        poll_seconds=15.0,
        new_ids=False,
        since="0.9.5",
    ),
    Driver(
        name="VirtualBox",
        type="vbox",
        schemes=("vbox",),
        events=Events.NONE,
        calls=("info",),
        wrong=_NO_CPU_TIME,
        poll_seconds=15.0,
        new_ids=False,
        since="0.6.3",
    ),
    Driver(
        name="libvirt's test driver",
        type="test",
        schemes=("test",),
        events=Events.COMPLETE,
        bulk=("state", "iothread"),
        calls=_EVERY_CALL,  # its figures are made up
        since="0.1.9",
    ),
    Driver(
        name="POWER Hypervisor",
        type="phyp",
        schemes=("phyp",),
        events=Events.NONE,
        calls=("info",),
        wrong=_NO_CPU_TIME,
        poll_seconds=15.0,
        new_ids=False,
        since="0.7.0",
        until="6.0.0",
    ),
    Driver(
        name="XenServer (xenapi)",
        type="xenapi",
        schemes=("xenapi",),
        events=Events.NONE,
        since="0.8.0",
        until="5.8.0",
    ),
    Driver(
        name="User-mode Linux",
        type="uml",
        schemes=("uml",),
        events=Events.COMPLETE,
        since="0.5.0",
        until="5.0.0",
    ),
)

UNKNOWN = Driver(name="unknown", type="", schemes=(), events=Events.PARTIAL, calls=_EVERY_CALL, new_ids=False)
"""What a driver without a row is taken for."""

_BY_TYPE = {driver.type: driver for driver in DRIVERS}
_BY_SCHEME = {scheme: driver for driver in DRIVERS for scheme in driver.schemes}
_OTHER_TYPES = {"hyperv": "hyper-v", "parallels": "vz"}

_OTHER_SCHEMES = frozenset({"", "remote", "network", "storage", "nodedev", "secret", "interface", "nwfilter"})
"""What is no row but can be opened: libvirt's default or an alias, whatever a daemon has, and drivers beside ours."""

_UNHEARD_OF = "12.9.0"
"""From this libvirt on there may be drivers that this table has never heard of."""


def driver_of_type(type_name: str | None) -> Driver:
    """Return the row of the driver whose connections say that they are of *type_name*."""
    wanted = (type_name or "").lower()
    return _BY_TYPE.get(_OTHER_TYPES.get(wanted, wanted), UNKNOWN)


def driver_of_uri(uri: str) -> Driver:
    """Return the row of the driver that *uri* asks for."""
    return _BY_SCHEME.get(_scheme(uri), UNKNOWN)


def _scheme(uri: str) -> str:
    """Return the driver's name in the scheme of *uri*, which may have a transport too (qemu+ssh)."""
    return urlsplit(uri).scheme.partition("+")[0]


def refusal(uri: str, installed: int) -> str:
    """Say why *uri* cannot be watched with the *installed* libvirt (its number), or nothing.

    To be asked before opening: libvirt gives a scheme that no driver takes to a daemon by TLS, and fails for want of
    certificates.
    """
    driver, scheme = driver_of_uri(uri), _scheme(uri)
    if driver is UNKNOWN and scheme not in _OTHER_SCHEMES and installed < version_number(_UNHEARD_OF):
        near = get_close_matches(scheme, _BY_SCHEME)
        return f"libvirt has no driver {scheme}; " + (f"did you mean {' or '.join(near)}?" if near else _all_schemes())
    if not driver.until or installed < version_number(driver.until):
        return ""
    installed_text = version_text(installed)
    return f"libvirt {driver.until} removed its driver for {driver.name}, and libvirt {installed_text} is installed"


def _all_schemes() -> str:
    return f"there are {', '.join(scheme for driver in DRIVERS if not driver.until for scheme in driver.schemes)}"


def version_number(text: str) -> int:
    """Return libvirt's number of a version such as 9.0.0."""
    major, minor, release = map(int, text.split("."))
    return major * 1_000_000 + minor * 1000 + release


def version_text(number: int) -> str:
    """Return libvirt's number of a version (1,000,000 x major + 1,000 x minor + release) as people write it."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
