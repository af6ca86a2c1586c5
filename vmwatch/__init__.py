"""Event-stream monitoring for libvirt: callbacks and statistics as one typed stream, handed to exporters."""

__version__ = "0.1.0"
