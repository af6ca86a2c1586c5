"""What a web server on this machine answers: bytes, JSON, or a page of metrics."""

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.beds.program import BedError

_LOCAL = build_opener(ProxyHandler({}))  # never through a proxy, whatever the environment says
_TIMEOUT_SECONDS = 30
NO_ANSWER = (BedError, OSError, HTTPException)  # an error, nobody there, or somebody who went away meanwhile


def fetch(url: str, *, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Return what *url* answers (to a POST if there is *data*); raise `BedError` with an answer that is an error."""
    request = Request(url, data=data, headers=dict(headers or {}))  # noqa: S310 - tests ask their own servers
    try:
        with _LOCAL.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            body: bytes = answer.read()
    except HTTPError as error:
        with error:
            raise BedError(f"{url}: {error.code} {error.read()[:2000].decode(errors='replace')}") from None
    return body


def fetch_json(url: str, *, data: bytes | None = None) -> Any:
    """Return the JSON that *url* answers."""
    return json.loads(fetch(url, data=data))


def answers(url: str) -> bool:
    """Tell whether *url* answers well by now."""
    try:
        fetch(url)
    except NO_ANSWER:
        return False
    return True


class Page:
    """A page of metrics in Prometheus' text format."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: list[Sample] = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def all(self, name: str, **labels: str) -> Iterator[Sample]:
        """Tell the samples of *name* that have *labels*, among others."""
        return (one for one in self.samples if one.name == name and labels.items() <= one.labels.items())

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the only sample of *name* that has *labels*, or None if there is none."""
        found = [*self.all(name, **labels)]
        if len(found) > 1:
            raise BedError(f"{len(found)} samples of {name} have {labels}: {found[:5]}")
        return found[0].value if found else None
