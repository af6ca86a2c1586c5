"""What describes a domain, out of its XML."""

import pytest

from vmwatch.events import Crashed, Defined, Domain, LifecycleEvent, Origin, State, Time
from vmwatch.sample import figures
from vmwatch.settings import MetadataLabel
from vmwatch.source.metadata import LARGEST_XML_CHARACTERS, Definitions, parse_definition
from vmwatch.source.metadata_labels import BUILT_IN

_XML = """
<domain type='kvm' id='3'>
  <name>{name}</name>
  <uuid>5c0c6f3a-0000-4000-8000-000000000001</uuid>
  <metadata>{metadata}</metadata>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none' discard='unmap'/>
      <source file='/images/&quot;a&quot;.qcow2'/>
      <target dev='vda' bus='virtio'/>
      <serial>S1</serial>
    </disk>
    <disk type='network' device='disk'>
      <source protocol='rbd' name='pool/image'/><target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
    <disk type='file' device='disk'><target dev='vda' bus='virtio'/></disk>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet3'/><model type='virtio'/>
      <mtu size='9000'/><virtualport type='openvswitch'><parameters interfaceid='port-1'/></virtualport>
    </interface>
    <interface type='user'><mac address='52:54:00:00:00:02'/></interface>
    <memballoon model='virtio'><stats period='10'/></memballoon>
  </devices>
</domain>
"""

_NOVA = """
<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/{version}">
  <nova:name>shop</nova:name>
  <nova:flavor name="m1.small"><nova:memory>2048</nova:memory></nova:flavor>
  <nova:owner><nova:user uuid="u-1">alice</nova:user><nova:project uuid="p-1">sales</nova:project></nova:owner>
  <nova:root type="image" uuid="i-1"/>
</nova:instance>
"""

_OWN = '<o:own xmlns:o="urn:own"><o:team tier="gold">  blue\n</o:team></o:own>'

_WEB = Domain("5c0c6f3a-0000-4000-8000-000000000001", "web-1", 3)


def _xml(metadata: str = "", name: str = "web-1") -> str:
    return _XML.format(metadata=metadata, name=name)


def _labels(xml: str, metric: str, **own: MetadataLabel) -> list[dict[str, str]]:
    labels = {**BUILT_IN, **{name: (label,) for name, label in own.items()}}
    return [found for column, found, _ in figures(parse_definition(xml, labels).rows) if column.metric.name == metric]


def test_a_domain_is_described() -> None:
    assert _labels(_xml(), "libvirt_domain_info") == [
        {
            "uuid": "5c0c6f3a-0000-4000-8000-000000000001",
            "os_type": "hvm",
            "os_type_arch": "x86_64",
            "os_type_machine": "pc-q35-7.2",
            "hypervisor": "kvm",
        }
    ]


def test_disks_are_described_once_for_each_target() -> None:
    disks = _labels(_xml(), "libvirt_domain_block_stats_info")
    assert [disk["target_device"] for disk in disks] == ["vda", "vdb", "sda"]
    assert disks[0] == {
        "target_device": "vda",
        "target_bus": "virtio",
        "disk_type": "file",
        "device": "disk",
        "driver_name": "qemu",
        "driver_type": "qcow2",
        "driver_cache": "none",
        "driver_discard": "unmap",
        "source_file": '/images/"a".qcow2',
        "serial": "S1",
    }
    assert (disks[1]["source_file"], disks[1]["source_protocol"]) == ("pool/image", "rbd")


def test_interfaces_that_figures_can_be_joined_on_are_described() -> None:
    assert _labels(_xml(), "libvirt_domain_interface_stats_info") == [
        {
            "target_device": "vnet3",
            "interface_type": "bridge",
            "source_bridge": "br0",
            "mac_address": "52:54:00:00:00:01",
            "model_type": "virtio",
            "mtu_size": "9000",
            "virtualport_interface_id": "port-1",
        }
    ]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_what_nova_wrote_is_told(version: str) -> None:
    expected = {
        "instance_name": "shop",
        "flavor_name": "m1.small",
        "user_name": "alice",
        "user_id": "u-1",
        "project_name": "sales",
        "project_id": "p-1",
        "root_type": "image",
        "root_uuid": "i-1",
    }
    xml = _xml(_NOVA.format(version=version))
    assert _labels(xml, "libvirt_domain_metadata_info") == [expected]
    assert _labels(xml, "libvirt_domain_openstack_info") == [{"instance_id": _WEB.uuid, **expected}]


def test_what_kubevirt_wrote_is_told() -> None:
    xml = _xml('<k:kubevirt xmlns:k="http://kubevirt.io"><k:uid>42</k:uid></k:kubevirt>', name="default_my_vm")
    assert _labels(xml, "libvirt_domain_metadata_info") == [
        {"kubevirt_uid": "42", "kubevirt_namespace": "default", "kubevirt_name": "my_vm"}
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("team", "blue"),
        ("team/text()", "blue"),
        ("o:team", "blue"),
        ("team/@tier", "gold"),
        ("team[@tier='gold']", "blue"),
    ],
)
def test_the_users_own_labels_are_told(path: str, value: str) -> None:
    label = MetadataLabel("urn:own", path)
    assert _labels(_xml(_OWN), "libvirt_domain_metadata_info", team=label) == [{"team": value}]


@pytest.mark.parametrize("path", ["nothing", "team/@nothing", "[[", "team[", "@", ""])
def test_a_path_that_leads_nowhere_is_absent(path: str) -> None:
    label = MetadataLabel("urn:own", path)
    found = _labels(
        _xml(_OWN.replace("blue", "")),
        "libvirt_domain_metadata_info",
        team=label,
        tier=MetadataLabel("urn:own", "team/@tier"),
    )
    assert found == [{"tier": "gold"}]


def test_without_metadata_there_is_no_such_series() -> None:
    assert _labels(_xml(), "libvirt_domain_metadata_info") == []
    assert _labels(_xml('<other xmlns="urn:other"/>'), "libvirt_domain_metadata_info") == []


def test_the_guests_reporting_period_is_found() -> None:
    assert parse_definition(_xml()).balloon_period_seconds == 10.0
    assert parse_definition("<domain/>").balloon_period_seconds == 0.0


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "no XML",
        "<domain><name>a</domain>",
        '<!DOCTYPE d [<!ENTITY a "b">]><domain>&a;</domain>',
        "<domain>" + " " * LARGEST_XML_CHARACTERS + "</domain>",
    ],
)
def test_what_is_no_description_is_refused(xml: str) -> None:
    with pytest.raises(ValueError, match="description"):
        parse_definition(xml)


def _event(kind: type[LifecycleEvent], uuid: str = _WEB.uuid) -> LifecycleEvent:
    return kind(
        time=Time(1),
        host="h",
        origin=Origin.LIBVIRT,
        domain=Domain(uuid, "web-1", 3),
        state=State.RUNNING,
        previous_state=State.RUNNING,
    )


def test_a_description_is_read_once() -> None:
    definitions = Definitions({})
    assert definitions.wants(_WEB, 1.0)
    definitions.take(_WEB, _xml(), 1.0)
    assert not definitions.wants(_WEB, 600.0)
    assert definitions.balloon_period_seconds(_WEB.uuid) == 10.0
    assert definitions.rows(_WEB.uuid)[0].columns.of == "domain_info"


def test_a_description_is_read_again_after_a_change_a_start_and_a_while() -> None:
    definitions = Definitions({})
    definitions.take(_WEB, _xml(), 1.0)
    definitions.note(_event(Crashed))
    definitions.note(_event(Defined, uuid="another"))
    assert not definitions.wants(_WEB, 2.0)
    assert definitions.wants(Domain(_WEB.uuid, "web-1", 4), 2.0)
    assert definitions.wants(_WEB, 2000.0)
    definitions.note(_event(Defined))
    assert definitions.wants(_WEB, 2.0)
    assert definitions.rows(_WEB.uuid), "until then the old one stands"


def test_a_description_that_cannot_be_read_is_not_tried_at_every_scrape() -> None:
    definitions = Definitions({})
    definitions.take(_WEB, "no XML", 1.0)
    assert not definitions.wants(_WEB, 2.0)
    assert definitions.rows(_WEB.uuid) == ()


def test_a_domain_that_has_gone_is_forgotten() -> None:
    definitions = Definitions({})
    definitions.take(_WEB, _xml(), 1.0)
    definitions.keep_only({"another"})
    assert definitions.wants(_WEB, 2.0)
    assert definitions.rows(_WEB.uuid) == ()
    assert definitions.balloon_period_seconds(_WEB.uuid) == 0.0
