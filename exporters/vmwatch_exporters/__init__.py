"""The exporters that ship with vmwatch, one module each, found by entry point."""
