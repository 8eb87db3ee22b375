"""One module per file format; each has find(source) and read(item)."""
