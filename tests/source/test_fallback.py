"""Statistics call by call: what a driver has is asked, what it lacks is asked once, one bad domain harms no other."""

from collections import Counter
from typing import Any

import libvirt
import pytest

from tests.source.mask import unsupported
from vmwatch.source.fallback import Fallback
from vmwatch.source.fallback_devices import DomainDevices, devices_of

GROUPS = ("state", "cpu", "balloon", "vcpu", "interface", "block")

XML = """
<domain type='{type}'><devices>
  <disk><target dev='vda'/></disk><disk><target dev='vdb'/></disk>
  <interface><target dev='vnet0'/></interface><interface/>
</devices></domain>"""


def failed(code: int) -> libvirt.libvirtError:
    error = unsupported("call")
    error.err = (code, *error.err[1:])
    return error


class Domain:
    """A domain whose calls answer what a test says, or raise it."""

    def __init__(self, **answers: Any) -> None:
        self.asked: Counter[str] = Counter()
        self._answers = {
            "info": [1, 4096, 2048, 2, 5_000],
            "state": [1, 0],
            "XMLDesc": XML.format(type="xen"),
            **answers,
        }
        self.getType = lambda: "Xen"
        self.isAlive = lambda: 1
        self.UUIDString = lambda: "u"
        self.ID = lambda: 1

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.asked[name] += 1
            answer = self._answers.get(name, unsupported(name))
            answer = answer(*arguments) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def record_of(domain: Domain, groups: tuple[str, ...] = GROUPS) -> dict[str, Any]:
    return Fallback(groups).complete(domain, domain, {})


def test_calls_are_told_in_the_words_of_bulk_statistics() -> None:
    record = record_of(
        Domain(
            getCPUStats=[{"cpu_time": 9_000, "user_time": 10, "system_time": 20}],
            memoryStats={"actual": 1024, "rss": 99, "last_update": 5},
            vcpus=([(0, 1, 77, 3)], []),
            blockStats=lambda device: (1, 2, 3, 4, -1) if device == "vda" else (5, 6, 7, 8, 9),
            interfaceStats=(1, 2, 3, 4, 5, 6, 7, 8),
        )
    )
    assert record == {
        "state.state": 1,
        "balloon.maximum": 4096,
        "balloon.current": 1024,
        "balloon.rss": 99,
        "balloon.last-update": 5,
        "vcpu.current": 2,
        "vcpu.0.state": 1,
        "vcpu.0.time": 77,
        "cpu.time": 9_000,
        "cpu.user": 10,
        "cpu.system": 20,
        "block.count": 2,
        "block.0.name": "vda",
        "block.0.rd.reqs": 1,
        "block.0.rd.bytes": 2,
        "block.0.wr.reqs": 3,
        "block.0.wr.bytes": 4,
        "block.1.name": "vdb",
        "block.1.rd.reqs": 5,
        "block.1.rd.bytes": 6,
        "block.1.wr.reqs": 7,
        "block.1.wr.bytes": 8,
        "block.1.errors": 9,
        "net.count": 1,
        "net.0.name": "vnet0",
        **{f"net.0.{key}": number for number, key in enumerate(INTERFACE_KEYS, 1)},
    }


INTERFACE_KEYS = ("rx.bytes", "rx.pkts", "rx.errs", "rx.drop", "tx.bytes", "tx.pkts", "tx.errs", "tx.drop")


def test_a_call_that_the_driver_lacks_is_made_once() -> None:
    fallback, domain = Fallback(GROUPS), Domain()
    for _ in range(3):
        fallback.complete(domain, domain, {})
    assert (domain.asked["info"], domain.asked["memoryStats"]) == (3, 1)


def test_a_call_is_made_again_after_a_new_connection() -> None:
    fallback, domain = Fallback(GROUPS), Domain()
    fallback.complete(domain, domain, {})
    fallback.forget()
    fallback.complete(domain, domain, {})
    assert domain.asked["memoryStats"] == 2


def test_a_call_that_fails_for_a_domain_costs_it_these_figures_and_no_other_domain() -> None:
    fallback = Fallback(GROUPS)
    bad, good = Domain(memoryStats=failed(libvirt.VIR_ERR_INTERNAL_ERROR)), Domain(memoryStats={"rss": 7})
    assert "balloon.rss" not in fallback.complete(bad, bad, {})
    assert fallback.complete(good, good, {})["balloon.rss"] == 7


def test_a_domain_of_which_only_the_state_can_be_read_has_that() -> None:
    assert record_of(Domain(info=failed(libvirt.VIR_ERR_OPERATION_FAILED), state=[1, 3])) == {
        "state.state": 1,
        "state.reason": 3,
    }


def test_a_domain_of_which_nothing_can_be_read_says_why() -> None:
    broken = failed(libvirt.VIR_ERR_OPERATION_FAILED)
    with pytest.raises(libvirt.libvirtError) as caught:
        record_of(Domain(info=broken, state=broken))
    assert caught.value.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED


def test_a_call_that_fails_is_had_unless_the_driver_says_that_it_lacks_it() -> None:
    bad = Domain(
        info=failed(libvirt.VIR_ERR_OPERATION_FAILED),
        memoryStats=failed(libvirt.VIR_ERR_INTERNAL_ERROR),
        blockStats=(1, 2, 3, 4, 5),
        interfaceStats=failed(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED),
    )
    gone, bare = Domain(info=failed(libvirt.VIR_ERR_NO_DOMAIN)), Domain(XMLDesc="<domain/>", memoryStats={})
    bare.UUIDString = lambda: "another"
    assert Fallback(GROUPS).had(bad, [gone, bad]) == ("info", "memoryStats", "blockStats")
    assert Fallback(GROUPS).had(bare, [bare]) == ("info", "memoryStats", "blockStats", "interfaceStats")
    assert Fallback(GROUPS).had(bare, [bare, bad]) == ("info", "memoryStats", "blockStats")


def test_a_domain_that_has_gone_is_nobodys_failure() -> None:
    with pytest.raises(libvirt.libvirtError) as caught:
        record_of(Domain(info=failed(libvirt.VIR_ERR_NO_DOMAIN)))
    assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN


def test_what_a_driver_answers_without_knowing_is_absent() -> None:
    record = record_of(Domain(info=[1, 4096, 2048, 2, 0], memoryStats={"available": 4096}))
    assert "cpu.time" not in record
    assert "balloon.available" not in record  # Xen: what the domain may have


def test_a_memory_of_0_is_what_a_driver_says_that_does_not_know() -> None:
    assert record_of(Domain(info=[1, 4096, 0, 2, 5_000])) == {  # bhyve
        "state.state": 1,
        "balloon.maximum": 4096,
        "vcpu.current": 2,
        "cpu.time": 5_000,
    }


def test_only_the_groups_that_are_wanted_are_asked_for() -> None:
    domain = Domain()
    assert record_of(domain, ("state",)) == {"state.state": 1, "state.reason": 0}
    assert domain.asked["blockStats"] == domain.asked["memoryStats"] == 0


def test_what_bulk_statistics_tell_is_not_asked_again() -> None:
    domain = Domain()
    domain.getType = lambda: "QEMU"
    bulk = {"state.state": 1, "cpu.time": 5}
    assert Fallback(GROUPS).complete(domain, domain, bulk) == bulk
    assert not domain.asked


def test_what_bulk_statistics_lack_is_added_and_changes_nothing() -> None:
    domain = Domain(memoryStats={"actual": 1024})
    domain.getType = lambda: "TEST"
    record = Fallback(GROUPS).complete(domain, domain, {"state.state": 3})
    assert record["state.state"] == 3
    assert (record["balloon.current"], record["cpu.time"]) == (1024, 5_000)


def test_a_device_that_cannot_be_read_costs_no_other() -> None:
    record = record_of(
        Domain(blockStats=lambda device: failed(38) if device == "vda" else (5, 6, 7, 8, 9)), ("state", "block")
    )
    assert record["block.count"] == 2
    assert "block.0.rd.bytes" not in record
    assert record["block.1.rd.bytes"] == 6


def test_a_container_has_one_figure_for_all_its_disks() -> None:
    assert devices_of(XML.format(type="lxc")) == DomainDevices(("",), ("vnet0",))
    assert devices_of(XML.format(type="kvm")) == DomainDevices(("vda", "vdb"), ("vnet0",))
