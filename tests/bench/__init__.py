"""Figures and ratios, printed and kept in RESULTS.md; nothing here asserts anything about time."""
