from vmwatch.events import State, Time
from vmwatch.pipeline import HostStatus
from vmwatch.state import KnownDomain
from vmwatch_exporters.prometheus.known import state_series
from vmwatch_exporters.prometheus.naming import Naming


def test_a_domain_that_goes_while_the_page_is_written_breaks_nothing() -> None:
    domain = KnownDomain(uuid="1", name="brief", state=State.RUNNING)
    status = HostStatus(host="kvm-1", uri="u", up=True, since=Time(0))
    pieces = state_series(status, [domain], "", Naming((), (), (), {}))
    next(pieces)
    domain.state = State.UNDEFINED
    texts = [text for _metric, text in pieces]
    assert 'libvirt_domains{host="kvm-1"} 1\n' in texts
