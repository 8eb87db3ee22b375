"""Skeletons and curves as pictures (which need the [viz] extra), retargeting as a web page."""
