"""Exporters by name, for the configuration: what is installed under the entry point group `vmwatch.exporters`."""

from importlib.metadata import EntryPoint, entry_points

from vmwatch.errors import ConfigError
from vmwatch.pipeline import Exporter

GROUP = "vmwatch.exporters"


def exporter_types() -> dict[str, EntryPoint]:
    """Return what is installed, by type; nothing is imported yet."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load_exporter(kind: str) -> type[Exporter]:
    """Import and return the exporter class called *kind*; ConfigError where it cannot be had."""
    point = exporter_types().get(kind)
    if point is None:
        raise ConfigError(f"no exporter of this type is installed; there are {', '.join(sorted(exporter_types()))}")
    try:
        loaded: type[Exporter] = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the exporter {point.value} cannot be loaded: {error}") from error
    return loaded
