"""Which way imports go: a module imports only what stands above it, or beside it under the same name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LAYERS = re.findall(
    r"\S+",
    """
    __version__ errors threads words systemd directory uris
    events
    encode severity choose terminal
    sample counters rates state
    fold derive
    stream
    pipeline
    journal
    delivery supervise sampling
    settings registry config host_lists logs fleet
    web
    core
    source.drivers source.plan source.loop source.callbacks source.auth_file source.connection source.facts source.local
    source.rights
    source.arguments source.unknown source.decode source.register source.openings source.line source.confirm
    source.lifecycle source.normalise source.listed source.path source.resync source.listing source.relist
    source.metadata source.stats
    source.sampler source.fallback source.probe source.standing source.host source.roster source.workload
    replay source.recorded schema asyncapi
    service
    serve
    commands
    __main__
    """,
)
"""From what all import to what imports all; a name stands for itself and for what it begins (`web`: `web_pages`)."""

ONLY = {
    "libvirt": ("vmwatch.source.",),
    "sqlite3": ("vmwatch.journal",),
    "aiokafka": ("vmwatch_exporters.kafka",),
    "prometheus_client": ("vmwatch_exporters.prometheus",),
    "yaml": ("vmwatch.web", "vmwatch.host_lists"),
    "bcrypt": ("vmwatch.web",),
    "uvicorn": ("vmwatch.web",),
    "vmwatch_exporters": ("vmwatch_exporters",),
}
"""Who alone may import these."""

FOR_EXPORTERS = frozenset(
    [
        "",
        "__version__",
        "errors",
        "threads",
        "events",
        "encode",
        "severity",
        "counters",
        "state",
        "sample",
        "pipeline",
        "settings",
    ]
)

ROOT = Path(__file__).parent.parent
MODULES = {
    ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
    for folder, package in ((ROOT, "vmwatch"), (ROOT / "exporters", "vmwatch_exporters"))
    for path in sorted((folder / package).rglob("*.py"))
}


def imported(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def layer(name: str) -> int:
    """Return where *name* (without `vmwatch.`) stands: the longest name that it begins with decides."""
    places = [place for place, known in enumerate(LAYERS) if re.match(rf"{re.escape(known)}(?![a-z])", name)]
    assert places, f"{name} stands in no layer: give it its place"
    return max(places, key=lambda place: len(LAYERS[place]))


@pytest.mark.parametrize("module", [name for name in MODULES if re.match(r"vmwatch\.(?!source$)", name)])
def test_a_module_imports_only_what_stands_above_it(module: str) -> None:
    for name in imported(module):
        if name.startswith("vmwatch."):
            own, other = layer(module.removeprefix("vmwatch.")), layer(name.removeprefix("vmwatch."))
            assert other <= own, f"{module} imports {name}"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("vmwatch_exporters.")])
def test_an_exporter_knows_the_interfaces_only(module: str) -> None:
    for name in imported(module):
        package, _, rest = name.partition(".")
        assert package != "vmwatch" or rest.split(".")[0] in FOR_EXPORTERS, f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_each_library_is_imported_in_its_place_only(module: str) -> None:
    for name in imported(module):
        allowed = ONLY.get(name.split(".")[0])
        assert allowed is None or module.startswith(allowed) or f"{module}." in allowed, f"{module} imports {name}"
