# Two commands for a fresh machine with Python and make: make quickstart, make test.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
# The PyTorch reference of the parity tests; TORCH= leaves it out, those tests then skip.
TORCH ?= torch

.PHONY: quickstart test soak format clean

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -c "import sys; assert sys.version_info >= (3, 11), 'Python 3.11 or later is needed'"
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --editable ".[viz,dev]"
	touch $@

$(VENV)/installed-torch: $(VENV)/installed
	$(RUN) -m pip install --quiet --editable ".[torch]"
	touch $@

quickstart: $(VENV)/installed
	$(RUN) -m experiments.quickstart --workdir=runs/quickstart

test: $(VENV)/installed $(if $(TORCH),$(VENV)/installed-torch)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m pytest

# The same tests in full length: tests that take long read VIA_JAX_SOAK.
soak: $(VENV)/installed $(if $(TORCH),$(VENV)/installed-torch)
	VIA_JAX_SOAK=1 $(RUN) -m pytest

format: $(VENV)/installed
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) .cache build *.egg-info
