"""Choose events by globs on their type, host and domain: for those who look at a part of the stream."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from vmwatch.events import Domain, DomainEvent, Event


def chooser(
    types: Sequence[str] = (), hosts: Sequence[str] = (), domains: Sequence[str] = ()
) -> Callable[[Event], bool]:
    """Return whether an event is matched by one glob of each sequence that has some; a domain by its uuid too."""

    def chosen(event: Event) -> bool:
        if not (_any(event.type, types) and _any(event.host, hosts)):
            return False
        return not domains or (isinstance(event, DomainEvent) and _named(event.domain, domains))

    return chosen


def domain_chooser(hosts: Sequence[str] = (), domains: Sequence[str] = ()) -> Callable[[str, Domain], bool]:
    """Return whether a host and a domain on it are matched by one glob of each sequence that has some."""
    return lambda host, domain: _any(host, hosts) and (not domains or _named(domain, domains))


def _any(text: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(text, glob) for glob in globs)


def _named(domain: Domain, globs: Sequence[str]) -> bool:
    return _any(domain.name, globs) or domain.uuid in globs
