"""Bad days of a host with 41 real guests: what `vmwatch run` serves meanwhile, and afterwards."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import libvirt
import pytest

from tests.beds.fetch import Page, fetch
from tests.beds.guest import Guest, start, start_all
from tests.beds.libvirtd import Libvirtd
from tests.beds.process import Vmwatch
from tests.beds.program import PATIENCE_SECONDS, NotInstalledError, find, until

GUESTS = [f"guest-{number}" for number in range(41)]
HALF = GUESTS[::2][:20]
HOSTILE = 'web "1" \\ \'ünïcode\' 💥 {a="b"}'
TENANTS_TEXT = 'line one\nline "two" \\ ünïcode'
NOVA = "http://openstack.org/xmlns/libvirt/nova/1.1"

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Bed:
    """A daemon with guests (the numbers of their processes by name), and a vmwatch that watches it."""

    daemon: Libvirtd
    rom: Path
    vmwatch: Vmwatch
    pids: dict[str, int]

    def scrape(self, timeout_seconds: float = PATIENCE_SECONDS, **headers: str) -> Page:
        headers["X-Prometheus-Scrape-Timeout-Seconds"] = str(timeout_seconds)
        return Page(fetch(f"http://{self.vmwatch.address}/metrics", headers=headers).decode())

    def scrape_until(self, question: Callable[[Page], object], what: str, timeout_seconds: float = 10.0) -> Page:
        def answer() -> Page | None:
            page = self.scrape(timeout_seconds)
            return page if question(page) else None

        return until(answer, what)

    def complete_again(self) -> None:
        """Wait until everybody is measured, and nothing hangs any more."""
        self.scrape_until(lambda page: measured(page) == set(GUESTS) and not overdue(page), "all guests are measured")

    def told(self, kind: str, after: int) -> list[str]:
        return [event["domain"] for event in self.vmwatch.events[after:] if event["event"] == kind]

    @contextmanager
    def stopped(self, *names: str) -> Iterator[None]:
        """Stop these guests, and let them go on at the end."""
        for name in names:
            os.kill(self.pids[name], signal.SIGSTOP)
        try:
            yield
        finally:
            for name in names:
                os.kill(self.pids[name], signal.SIGCONT)


def measured(page: Page) -> set[str]:
    """Return who was read now, and has what only the monitor tells."""
    read = {one.labels["domain"] for one in page.all("libvirt_domain_timed_out") if one.value == 0}
    return read & {one.labels["domain"] for one in page.all("libvirt_domain_dirty_rate_status")}


def late(page: Page) -> set[str]:
    return {one.labels["domain"] for one in page.all("libvirt_domain_timed_out") if one.value == 1}


def overdue(page: Page) -> float:
    return page.value("vmwatch_host_calls_overdue") or 0


@pytest.fixture(scope="module")
def bed(rom: Path, capabilities: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    try:
        find("virsh", package="libvirt-clients")
        daemon = Libvirtd(host_name="crowded", capabilities=capabilities)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with daemon, daemon.connection() as connection:
        domains = start_all(connection, [Guest(name=name, rom=rom) for name in GUESTS])
        pids = {domain.name(): daemon.guest_pid(domain) for domain in domains}
        configuration = f'[[libvirt]]\nuri = "{daemon.uri}"\nname = "crowded"\n[stats]\nmax_age = 0\n'
        folder = tmp_path_factory.mktemp("crowded")
        with Vmwatch(folder, "run", configuration=configuration) as vmwatch:
            vmwatch.wait_until_ready()
            running = Bed(daemon, rom, vmwatch, pids)
            running.complete_again()
            yield running


def test_five_scrapers_at_once_have_a_complete_page_each(bed: Bed) -> None:
    together = threading.Barrier(5)

    def scrape(_number: int) -> Page:
        together.wait(PATIENCE_SECONDS)
        return bed.scrape()

    with ThreadPoolExecutor(5) as scrapers:
        for page in scrapers.map(scrape, range(5)):
            assert measured(page) == set(GUESTS)


def test_one_guest_that_hangs_harms_no_other_from_the_first_scrape_on(bed: Bed) -> None:
    after = len(bed.vmwatch.events)
    with bed.stopped("guest-20"):
        for _ in range(3):
            page = bed.scrape()
            assert (measured(page), late(page)) == (set(GUESTS) - {"guest-20"}, {"guest-20"})
        assert overdue(page) == 1
        hung = bed.vmwatch.wait_for(lambda event: event["event"] == "domain.unresponsive", after=after)
    back = bed.vmwatch.wait_for(lambda event: event["event"] == "domain.responsive", after=after)
    assert (hung["domain"], back["domain"]) == ("guest-20", "guest-20")
    bed.complete_again()


def test_a_scrape_in_a_hurry_has_its_page_although_a_guest_hangs(bed: Bed) -> None:
    with bed.stopped("guest-7"):
        page = bed.scrape(timeout_seconds=1)
        assert "guest-7" in late(page)
        assert not list(page.all("libvirt_domain_dirty_rate_status", domain="guest-7"))
        everybody_else = set(GUESTS) - {"guest-7"}
        bed.scrape_until(lambda page: measured(page) == everybody_else, "all others are measured", timeout_seconds=1)
    bed.complete_again()


def test_when_twenty_guests_hang_at_once_the_daemon_serves_others(bed: Bed) -> None:
    after = len(bed.vmwatch.events)
    with bed.stopped(*HALF):
        for _ in range(3):
            page = bed.scrape(timeout_seconds=2)
            assert overdue(page) <= 4
            assert set(HALF) <= late(page)
            assert {one.value for one in page.all("libvirt_domain_state", state="running")} == {1}
        listed = subprocess.run(
            ["virsh", "--connect", bed.daemon.uri, "list", "--name"],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        )
        assert set(listed.stdout.split()) == set(GUESTS)
        with bed.daemon.connection() as another:  # this one is served by an ordinary worker
            assert another.getCapabilities()
        hung = bed.vmwatch.wait_for(lambda event: event["event"] == "domain.unresponsive", after=after)
        assert hung["domain"] in HALF
    bed.complete_again()
    assert sorted(bed.told("domain.responsive", after)) == sorted(bed.told("domain.unresponsive", after))


def test_a_guest_that_is_killed_while_it_is_read_takes_no_other_with_it(bed: Bed) -> None:
    with bed.daemon.connection() as connection:
        domain = start(connection, Guest(name="dies", rom=bed.rom))
        pid = bed.daemon.guest_pid(domain)
        bed.scrape_until(lambda page: "dies" in measured(page), "the new guest is measured")
        os.kill(pid, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as scraper:
            page = scraper.submit(bed.scrape)
            until(lambda: domain.controlInfo()[0] == libvirt.VIR_DOMAIN_CONTROL_OCCUPIED, "a call waits for it")
            os.kill(pid, signal.SIGKILL)
            assert measured(page.result()) == set(GUESTS)
    gone = bed.scrape_until(lambda page: not list(page.all("libvirt_domain_state", domain="dies")), "it has gone")
    assert not list(gone.all("libvirt_domain_timed_out", domain="dies"))
    assert gone.value("libvirt_domain_stops_total", domain="dies", cause="process-died") == 1
    bed.complete_again()


def test_guests_that_come_and_go_during_scrapes_harm_nobody_and_leave_no_figures(bed: Bed) -> None:
    coming = [f"comes-{number}" for number in range(20)]

    def come_and_go(name: str) -> None:
        with bed.daemon.connection() as connection, suppress(libvirt.libvirtError):
            start(connection, Guest(name=name, rom=bed.rom)).destroy()

    with ThreadPoolExecutor(4) as operators:
        churn = [operators.submit(come_and_go, name) for name in coming]
        while not all(one.done() for one in churn):
            assert measured(bed.scrape()) >= set(GUESTS)

    def stops(page: Page) -> set[str]:
        return {one.labels["domain"] for one in page.all("libvirt_domain_stops_total") if one.value == 1}

    page = bed.scrape_until(lambda page: stops(page) >= set(coming), "all their ends are counted")
    assert {one.labels["domain"] for one in page.all("libvirt_domain_state")} == set(GUESTS)
    assert {one.labels["domain"] for one in page.all("libvirt_domain_timed_out")} == set(GUESTS)


def test_a_guest_whose_texts_are_hostile_stays_on_its_lines(bed: Bed) -> None:
    text = TENANTS_TEXT.replace("\n", "&#10;")
    metadata = f'<instance xmlns="{NOVA}"><name>{text}</name><flavor name="{"x" * 65536}"/></instance>'
    with bed.daemon.connection() as connection:
        domain = start(connection, Guest(name=HOSTILE, rom=bed.rom, metadata=metadata))
        try:
            page = bed.scrape_until(lambda page: HOSTILE in measured(page), "the guest is measured")
            (about,) = page.all("libvirt_domain_openstack_info", domain=HOSTILE)
        finally:
            domain.destroy()
    assert about.labels["instance_name"] == TENANTS_TEXT
    assert len(about.labels["flavor_name"]) == 256
    bed.scrape_until(lambda page: not list(page.all("libvirt_domain_openstack_info")), "it has gone")


def test_a_daemon_that_hangs_and_dies_holds_up_no_page(bed: Bed) -> None:
    bed.daemon.pause()
    try:
        for _ in range(6):
            page = bed.scrape(timeout_seconds=1)
            assert (measured(page), late(page)) == (set(), set(GUESTS))
            assert overdue(page) <= 4
    finally:
        bed.daemon.resume()
    bed.complete_again()
    bed.daemon.pause()
    bed.scrape(timeout_seconds=1)
    bed.daemon.kill()
    page = bed.scrape_until(lambda page: page.value("libvirt_up") == 0, "the host is away")
    assert {one.labels["domain"] for one in page.all("libvirt_domain_state", state="unknown") if one.value} == set(
        GUESTS
    )
    assert not list(page.all("libvirt_domain_timed_out"))
    bed.daemon.start()
    bed.complete_again()
