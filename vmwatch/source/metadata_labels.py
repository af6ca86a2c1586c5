"""Labels out of what others write into a domain's metadata: OpenStack Nova's and KubeVirt's, and the user's own."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from xml.etree.ElementTree import Element

import structlog

from vmwatch.settings import MetadataLabel

_NOVA = ("http://openstack.org/xmlns/libvirt/nova/1.1", "http://openstack.org/xmlns/libvirt/nova/1.0")
_KUBEVIRT = "http://kubevirt.io"

_OPENSTACK_PATHS = {
    "instance_name": "name",
    "flavor_name": "flavor/@name",
    "user_name": "owner/user",
    "user_id": "owner/user/@uuid",
    "project_name": "owner/project",
    "project_id": "owner/project/@uuid",
    "root_type": "root/@type",
    "root_uuid": "root/@uuid",
}

_PATH = re.compile(r"(.*?)/?(?:@([\w.-]+)|text\(\))?", re.DOTALL)

OPENSTACK = frozenset(_OPENSTACK_PATHS)
"""Labels that say that a domain is OpenStack's."""

BUILT_IN: Mapping[str, Sequence[MetadataLabel]] = {
    **{name: tuple(MetadataLabel(space, path) for space in _NOVA) for name, path in _OPENSTACK_PATHS.items()},
    "kubevirt_uid": (MetadataLabel(_KUBEVIRT, "uid"),),
}
"""Where the labels stand that need no configuration; the first place that has something counts."""

log = structlog.get_logger(__name__)


def metadata_labels(root: Element, labels: Mapping[str, Sequence[MetadataLabel]]) -> dict[str, str]:
    """Return those of *labels* that the domain *root* has.

    KubeVirt names a domain `<namespace>_<name>`: where its metadata is, both are labels too.
    """
    metadata = root.find("metadata")
    if metadata is None:
        return {}
    found = {name: value for name, places in labels.items() if (value := _first(metadata, places))}
    namespace, underscore, name = (root.findtext("name") or "").partition("_")
    if underscore and any(True for _ in _elements(metadata, _KUBEVIRT)):
        found |= {"kubevirt_namespace": namespace, "kubevirt_name": name}
    return found


def _first(metadata: Element, places: Sequence[MetadataLabel]) -> str | None:
    values = (_value(element, place) for place in places for element in _elements(metadata, place.namespace))
    return next((value for value in values if value), None)


def _elements(metadata: Element, namespace: str) -> Iterator[Element]:
    return (element for element in metadata if element.tag.startswith(f"{{{namespace}}}"))


def _value(element: Element, place: MetadataLabel) -> str | None:
    """Return the text that the path leads to, or, where it ends in `@name`, that attribute of the element before."""
    path, attribute = _PATH.fullmatch(place.xpath).groups()  # type: ignore[union-attr]  # everything matches
    prefixes = dict.fromkeys(["", *re.findall(r"([\w.-]+):", path)], place.namespace)
    try:
        found = element.find(path or ".", prefixes)
    except (SyntaxError, LookupError, TypeError, ValueError) as error:  # Python 3.11: any of these for a wrong path
        _say_wrong(place.xpath, str(error))
        return None
    if found is None:
        return None
    value = found.get(attribute) if attribute else "".join(found.itertext())
    return value.strip() if value else None


@lru_cache(maxsize=1000)
def _say_wrong(path: str, reason: str) -> None:
    """Log that *path* is none, once."""
    log.warning("metadata path cannot be followed", xpath=path, reason=reason)
