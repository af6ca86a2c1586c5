"""Choose events by globs on their type, host and domain: for those who look at a part of the stream."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from vmwatch.events import DomainEvent, Event


def chooser(
    types: Sequence[str] = (), hosts: Sequence[str] = (), domains: Sequence[str] = ()
) -> Callable[[Event], bool]:
    """Return whether an event is matched by one glob of each sequence that has some; a domain by its uuid too."""

    def chosen(event: Event) -> bool:
        return _any(event.type, types) and _any(event.host, hosts) and (not domains or _domain(event, domains))

    return chosen


def _any(text: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(text, glob) for glob in globs)


def _domain(event: Event, globs: Sequence[str]) -> bool:
    return isinstance(event, DomainEvent) and (_any(event.domain.name, globs) or event.domain.uuid in globs)
