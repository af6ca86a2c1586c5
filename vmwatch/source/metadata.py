"""What describes a domain, out of its XML, as info metrics: parsed once for each definition, for the sampler."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import msgspec
import structlog

from vmwatch.events import Domain, DomainEvent
from vmwatch.sample import Column, Kind, Metric, Row, columns_of
from vmwatch.settings import MetadataLabel
from vmwatch.source.metadata_labels import BUILT_IN, OPENSTACK, metadata_labels

LARGEST_XML_CHARACTERS = 1024 * 1024

_AGAIN_SECONDS = 900.0  # for changes that no event tells
_SPREAD_SECONDS = 300

_CHANGES = frozenset(
    f"domain.{change}"
    for change in (
        *("defined", "undefined", "device-added", "device-removed", "metadata-changed", "disk-changed"),
        *("tray-changed", "nic-mac-changed", "block-job"),
    )
)

log = structlog.get_logger(__name__)


class Definition(msgspec.Struct, frozen=True, gc=False):
    """What one description says: info *rows*, and how often the guest is to report its memory (0: never)."""

    rows: Sequence[Row] = ()
    balloon_period_seconds: float = 0.0


def _info(name: str, text: str) -> tuple[Column, ...]:
    return (Column(Metric(f"libvirt_domain_{name}_info", Kind.INFO, text, "info")),)


_DOMAIN = (Column(Metric("libvirt_domain_info", Kind.INFO, "What the domain is.", "info")),)
_BLOCK = _info("block_stats", "What a disk of the domain is.")
_INTERFACE = _info("interface_stats", "What a network interface of the domain is.")
_METADATA = _info("metadata", "What others wrote about the domain into its metadata.")
_OPENSTACK = _info("openstack", "What OpenStack says about the domain.")


def parse_definition(xml: str, labels: Mapping[str, Sequence[MetadataLabel]] = BUILT_IN) -> Definition:
    """Return what a domain's *xml* says; ValueError where it is none.  *labels* say what to take from its metadata."""
    if len(xml) > LARGEST_XML_CHARACTERS or "<!DOCTYPE" in xml:  # libvirt writes no document types: entities may bomb
        raise ValueError("the description is too large, or no description of a domain")
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise ValueError(f"the description is no XML: {error}") from error
    period = root.find("devices/memballoon/stats")
    rows = (*_about_domain(root), *_about_disks(root), *_about_interfaces(root), *_about_metadata(root, labels))
    seconds = period.get("period", "0") if period is not None else "0"
    return Definition(rows, float(seconds) if seconds.isdecimal() else 0.0)


def _row(of: str, columns: tuple[Column, ...], labels: Mapping[str, str | None]) -> Row:
    present = {name: value for name, value in labels.items() if value}
    return Row(columns_of(of, tuple(present), columns), tuple(present.values()), (1,))


def _about_domain(root: Element) -> Iterator[Row]:
    system = root.find("os/type")
    yield _row(
        "domain_info",
        _DOMAIN,
        {
            "uuid": root.findtext("uuid"),
            "os_type": root.findtext("os/type"),
            "os_type_arch": _attribute(system, "arch"),
            "os_type_machine": _attribute(system, "machine"),
            "hypervisor": root.get("type"),
        },
    )


def _about_disks(root: Element) -> Iterator[Row]:
    for target, disk in _by_target(root.iterfind("devices/disk")):
        driver, source = disk.find("driver"), disk.find("source")
        labels = {
            "target_device": target,
            "target_bus": _attribute(disk.find("target"), "bus"),
            "disk_type": disk.get("type"),
            "device": disk.get("device"),
            "driver_name": _attribute(driver, "name"),
            "driver_type": _attribute(driver, "type"),
            "driver_cache": _attribute(driver, "cache"),
            "driver_discard": _attribute(driver, "discard"),
            "source_file": next(
                (value for key in ("file", "dev", "dir", "name") if (value := _attribute(source, key))), None
            ),
            "source_protocol": _attribute(source, "protocol"),
            "serial": disk.findtext("serial"),
        }
        yield _row("block_info", _BLOCK, labels)


def _about_interfaces(root: Element) -> Iterator[Row]:
    for target, interface in _by_target(root.iterfind("devices/interface")):
        labels = {
            "target_device": target,
            "interface_type": interface.get("type"),
            "source_bridge": _attribute(interface.find("source"), "bridge"),
            "source_network": _attribute(interface.find("source"), "network"),
            "mac_address": _attribute(interface.find("mac"), "address"),
            "model_type": _attribute(interface.find("model"), "type"),
            "mtu_size": _attribute(interface.find("mtu"), "size"),
            "virtualport_interface_id": _attribute(interface.find("virtualport/parameters"), "interfaceid"),
        }
        yield _row("interface_info", _INTERFACE, labels)


def _about_metadata(root: Element, labels: Mapping[str, Sequence[MetadataLabel]]) -> Iterator[Row]:
    found = metadata_labels(root, labels)
    if found:
        yield _row("metadata_info", _METADATA, found)
    if OPENSTACK & found.keys():
        yield _row(
            "openstack_info",
            _OPENSTACK,
            {"instance_id": root.findtext("uuid"), **{name: found.get(name) for name in sorted(OPENSTACK)}},
        )


def _by_target(devices: Iterable[Element]) -> Iterator[tuple[str, Element]]:
    """Yield each of *devices* that has a name for figures to be joined on; of two with one name the first."""
    seen = set()
    for device in devices:
        target = _attribute(device.find("target"), "dev")
        if target and target not in seen:
            seen.add(target)
            yield target, device


def _attribute(element: Element | None, name: str) -> str | None:
    return element.get(name) if element is not None else None


class _Known(msgspec.Struct, gc=False):
    definition: Definition
    id: int | None
    expires: float


class Definitions:
    """The definitions of one host's domains; *labels* are the user's, beside those that are built in."""

    def __init__(self, labels: Mapping[str, MetadataLabel]) -> None:
        self._labels = {**BUILT_IN, **{name: (label,) for name, label in labels.items()}}
        self._known: dict[str, _Known] = {}

    def wants(self, domain: Domain, at: float) -> bool:
        """Say whether the description of *domain* has to be read, at *at* (seconds of the loop's clock)."""
        known = self._known.get(domain.uuid)
        return known is None or known.id != domain.id or known.expires <= at

    def take(self, domain: Domain, xml: str, at: float) -> None:
        """Take the description of *domain*, read at *at*."""
        try:
            definition = parse_definition(xml, self._labels)
        except ValueError as error:
            log.warning("description cannot be read", domain=domain.name, reason=str(error))
            definition = Definition()
        expires = at + _AGAIN_SECONDS + hash(domain.uuid) % _SPREAD_SECONDS
        self._known[domain.uuid] = _Known(definition, domain.id, expires)

    def note(self, event: DomainEvent) -> None:
        """Read a domain's description again after an *event* that may have changed it."""
        known = self._known.get(event.domain.uuid)
        if known is not None and event.type in _CHANGES:
            known.expires = 0.0

    def keep_only(self, uuids: AbstractSet[str]) -> None:
        """Forget domains that are not among *uuids*."""
        for uuid in self._known.keys() - uuids:
            del self._known[uuid]

    def rows(self, uuid: str) -> Sequence[Row]:
        """Return the info rows of a domain."""
        known = self._known.get(uuid)
        return known.definition.rows if known else ()

    def balloon_period_seconds(self, uuid: str) -> float:
        """Return how often a domain's guest is to report its memory; 0 where it is not, or nothing is known."""
        known = self._known.get(uuid)
        return known.definition.balloon_period_seconds if known else 0.0
