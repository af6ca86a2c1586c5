"""Serve everything known and measured to Prometheus."""

from vmwatch_exporters.prometheus.exporter import Prometheus

__all__ = ["Prometheus"]
