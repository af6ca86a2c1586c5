"""Exporters by name, for the configuration: what is installed under the entry point group `vmwatch.exporters`."""

from dataclasses import is_dataclass
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
    except Exception as error:  # whatever a module may raise that is imported
        raise ConfigError(f"the exporter {point.value} cannot be loaded: {type(error).__name__}: {error}") from error
    if not (
        isinstance(loaded, type) and is_dataclass(loaded) and hasattr(loaded, "run") and hasattr(loaded, "durable")
    ):
        raise ConfigError(f"{point.value} is no exporter: expected a dataclass as vmwatch.pipeline.Exporter has it")
    return loaded
