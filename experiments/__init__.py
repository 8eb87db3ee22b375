"""Scripts: flags in, one library call out."""
