"""Skeletons and curves as pictures (needs the [viz] extra)."""
