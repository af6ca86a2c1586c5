"""How it stands with guests' monitors, asked of hosts that are far away too."""

import threading

import libvirt

from vmwatch.events import Domain
from vmwatch.source.sampler_probe import AT_ONCE, Prober

TEST_DRIVER = "test:///default"
PATIENCE_SECONDS = 30.0


class Counted:
    """A connection that counts the calls made with it: each begins with a look whether it is alive."""

    def __init__(self) -> None:
        self.calls = 0
        self.asked: list[str] = []

    def isAlive(self) -> int:  # noqa: N802 - libvirt's name
        self.calls += 1
        return 1

    def setKeepAlive(self, _interval: int, _count: int) -> int:  # noqa: N802 - libvirt's name
        return 0

    def lookupByUUIDString(self, uuid: str) -> libvirt.virDomain:  # noqa: N802 - libvirt's name
        self.asked.append(uuid)
        raise libvirt.libvirtError("no such domain")

    def close(self) -> int:
        return 0


async def test_many_guests_are_asked_a_few_at_a_time() -> None:
    connection = Counted()
    prober = Prober("h", lambda: connection, lambda: None, PATIENCE_SECONDS)
    await prober.probe([])  # opens the connection
    connection.calls = 0
    domains = [Domain(f"u-{number}", f"g-{number}", number) for number in range(2 * AT_ONCE + 1)]
    assert await prober.probe(domains) == {}
    assert connection.asked == [domain.uuid for domain in domains]
    assert connection.calls >= 3
    prober.crew.close()


async def test_a_host_so_far_away_that_it_takes_long_to_open_is_asked_in_the_end() -> None:
    far = threading.Event()

    def connect() -> libvirt.virConnect:
        far.wait(PATIENCE_SECONDS)
        return libvirt.open(TEST_DRIVER)

    prober = Prober("h", connect, lambda: None, 0.05)
    assert await prober.probe([]) is None
    far.set()
    while await prober.probe([]) is None:
        pass
    assert prober.crew.given_up_total == 0
    prober.crew.close()
