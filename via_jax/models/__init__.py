"""Linen modules, one idea of the paper per file."""
