"""What a listing says of domains that cannot be made to stand still."""

from typing import Any

import libvirt
import pytest

from vmwatch.source.listing import by_domain


class Listing:
    """A connection with one domain that is *transient* or not, in *state*."""

    def __init__(self, state: int, *, transient: bool) -> None:
        self._transient = transient
        self.state = lambda: (state, 1)
        self.UUIDString = self.name = lambda: "u"
        self.ID = lambda: -1

    def listAllDomains(self, flags: int) -> list[Any]:  # noqa: N802 - libvirt's name
        return [self] if not flags or self._transient else []


@pytest.mark.parametrize(
    ("transient", "state"), [(True, libvirt.VIR_DOMAIN_NOSTATE), (False, libvirt.VIR_DOMAIN_SHUTOFF)]
)
def test_a_transient_domain_that_is_being_started_is_not_listed_as_off(transient: bool, state: int) -> None:
    (listed,) = by_domain(Listing(libvirt.VIR_DOMAIN_SHUTOFF, transient=transient))
    assert (listed.state, listed.persistent) == (state, not transient)
