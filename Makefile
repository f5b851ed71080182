# make demo | test | setup on a fresh machine; make check before a commit; make docs for the site of the documentation;
# make torture before a release;
# make test-sktime: the adapter for sktime, beside the pandas that sktime takes;
# make bench | bench-peers | bench-gpu | test-gpu: how fast it is, and what needs a GPU.
PYTHON ?= python3
BIN := .venv/bin
DEMO := demo
WORKERS ?= auto  # processes that tests run in

.PHONY: demo test test-sktime setup check docs help installed torture bench bench-peers bench-gpu test-gpu wheels carried clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test]' -c constraints.txt
	touch $@

demo: setup
	mkdir -p $(DEMO)
	$(BIN)/tsforge fit datasets/electricity-demand.csv --target demand --horizon 48 --model lstm --out $(DEMO)/model
	$(BIN)/tsforge predict $(DEMO)/model datasets/electricity-demand.csv --output $(DEMO)/forecast.csv --plot $(DEMO)/forecast.png

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

SKTIME := .sktime
test-sktime: setup  # needs a network
	$(BIN)/python -m pip install --quiet --upgrade --no-deps --target $(SKTIME) 'sktime>=1.2,<2' 'scikit-base>=1.0,<1.2' \
		'pandas>=3.0,<3.1'
	PYTHONPATH=$(SKTIME) $(BIN)/python -m pytest -m sktime tests/adapters/test_sktime.py

check: setup  # with a build of the site (tests/test_site.py)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

INSTALLED := .installed
installed: setup  # the wheel in an environment with nothing else, which does what README and the tutorial say
	rm -rf $(INSTALLED)
	$(BIN)/python -m hatchling build --target wheel --directory $(INSTALLED)/wheel
	$(PYTHON) -m venv $(INSTALLED)/venv
	$(INSTALLED)/venv/bin/python -m pip install --quiet -c constraints.txt $(INSTALLED)/wheel/*.whl
	$(BIN)/python -m tests.helpers.installed $(INSTALLED)/venv/bin

docs: setup  # site/index.html, which opens without a network; a warning is an error, a broken link or anchor too
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

torture: setup  # an hour or so: mutated tables and models, and killed commands
	$(BIN)/python -m tests.torture --mutations 200000 --kills 100

bench: setup  # a quarter of an hour at most; nothing else should run meanwhile
	$(BIN)/python -m benchmarks.speed

bench-peers: setup  # an hour; installs each library into .peers/ first, for which it needs a network
	$(BIN)/python -m benchmarks.peers

# On a machine with a GPU, which has its own torch and pytorch-lightning: GPU_PYTHON names its Python. What else it lacks
# is carried along as wheels in the folder that WHEELS names (docs/speed.md).
GPU_PYTHON ?= python3
CARRIED := .carried
GPU_VERSION ?= 3.12
CARRY ?= pydantic pydantic-core annotated-types typing-inspection tomli-w platformdirs filelock tzdata safetensors \
	pandas python-dateutil six pyarrow scipy matplotlib contourpy cycler fonttools kiwisolver pillow pyparsing pytest \
	pluggy iniconfig pygments
wheels: setup  # what a machine with a GPU may lack beside torch and pytorch-lightning, for its version of Python
	$(BIN)/python -m pip download --quiet --no-deps --only-binary=:all: --python-version $(GPU_VERSION) \
		--platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
		--platform manylinux2014_x86_64 --dest wheels -c constraints.txt $(CARRY)

carried:
	$(if $(WHEELS),$(GPU_PYTHON) -m pip install --quiet --no-index --no-deps --upgrade --target $(CARRIED) $(WHEELS)/*.whl)

bench-gpu: carried
	PYTHONPATH=.:$(CARRIED) $(GPU_PYTHON) -m benchmarks.gpu

test-gpu: carried
	PYTHONPATH=.:$(CARRIED) $(GPU_PYTHON) -m pytest -m gpu -rs tests/gpu

help: setup  # after a change of a command's options
	$(BIN)/python -m tsforge.cli.render

clean:
	rm -rf .venv .peers site $(CARRIED) $(INSTALLED) $(DEMO) models .pytest_cache .mypy_cache .ruff_cache
