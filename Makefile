# Two commands for a fresh machine with Python and make: make quickstart, make test.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
# The PyTorch reference of the parity tests; TORCH= leaves it out, those tests then skip.
TORCH ?= torch

.PHONY: quickstart test soak docs format export-onnx clean

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

$(VENV)/installed-docs: $(VENV)/installed
	$(RUN) -m pip install --quiet --editable ".[docs]"
	touch $@

# The pages of docs/ as a site in site/; a broken link fails.
docs: $(VENV)/installed-docs
	$(RUN) -m mkdocs build --quiet --strict --clean

format: $(VENV)/installed
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

# ONNX of a checkpoint: make export-onnx CHECKPOINT=runs/NAME OUT=exported/NAME
# jax2onnx needs an older orbax than this package, so it has an environment of its own.
ONNX_VENV ?= .venv-onnx
OUT ?= exported/$(notdir $(CHECKPOINT))

$(ONNX_VENV)/installed:
	$(PYTHON) -m venv $(ONNX_VENV)
	$(ONNX_VENV)/bin/python -m pip install --quiet \
	  jax2onnx==0.17.1 jax==0.10.2 flax==0.12.8 onnxruntime absl-py
	touch $@

export-onnx: $(VENV)/installed $(ONNX_VENV)/installed
	test -f $(OUT)/model.json || \
	  $(RUN) -m experiments.export --checkpoint=$(CHECKPOINT) --out=$(OUT)
	$(ONNX_VENV)/bin/python -m experiments.export_onnx --folder=$(OUT)

clean:
	rm -rf $(VENV) $(ONNX_VENV) .cache build site *.egg-info
