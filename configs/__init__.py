"""One file per run; each gives a ConfigDict from get_config()."""
