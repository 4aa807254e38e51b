# LoRAStack. `make` alone lists what can be done.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
# Byte code makes synthesis 5 s quicker, so it is wanted even where the environment forbids it.
unexport PYTHONDONTWRITEBYTECODE

SYNTH_INPUTS := $(shell find infrastructure lambdas training_container -type f \
	-not -path '*/__pycache__/*' 2>/dev/null) openapi.yaml cdk.json \
	requirements/lambdas.txt requirements/asset_worker.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo run test fault-test check format synth openapi examples lint-openapi openapi-diff client fuzz token limits kohya kohya-model kohya-tagger kohya-test \
	image-smoke bench clean

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.ready cdk.out/LoraStack.template.json ## Upload, train and download a LoRA, start to end (ARGS="--help" for more)
	@$(BIN)/python -m local.demo $(ARGS)

run: $(VENV)/.ready cdk.out/LoraStack.template.json ## Serve the API at http://127.0.0.1:8080/v1 (ARGS="--port 9000")
	@$(BIN)/python -m local $(ARGS)

test: $(VENV)/.ready cdk.out/LoraStack.template.json ## Run the tests (ARGS="-k name")
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.ready ## Format, lint (Dockerfile too), types, and whether openapi.yaml and docs/guides/errors.md are up to date
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/hadolint training_container/Dockerfile
	@$(BIN)/mypy
	@$(BIN)/python -m contract --check

format: $(VENV)/.ready ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

synth: $(VENV)/.ready cdk.out/LoraStack.template.json ## Synthesize the CDK app into cdk.out/

openapi: $(VENV)/.ready ## Write openapi.yaml and docs/guides/errors.md from the sources
	@$(BIN)/python -m contract

examples: $(VENV)/.ready ## Record the examples of openapi.yaml from the handlers anew
	@LORASTACK_RECORD_EXAMPLES=1 $(BIN)/python -m pytest -q tests/unit/test_examples.py -k handlers
	@$(BIN)/python -m contract

lint-openapi: $(VENV)/.ready ## Lint openapi.yaml with Redocly CLI (needs npm, and the network once)
	@$(BIN)/python -m contract.lint

openapi-diff: $(VENV)/.ready ## Show what changed in the contract since the last release (ARGS=--release keeps it as one)
	@$(BIN)/python -m contract.difference $(ARGS)

client: $(VENV)/.ready ## Generate clients in Python and TypeScript into build/clients/ (needs npm once)
	@$(BIN)/python -m contract.clients

fuzz: $(VENV)/.ready cdk.out/LoraStack.template.json ## Ask the API what no client would, by Schemathesis (ARGS="--quick", "--seed 7")
	@$(BIN)/python -m contract.fuzz $(ARGS)

token: $(VENV)/.ready ## Make a workspace and a token in AWS: WORKSPACE=acme TABLE_NAME=... (an output of the stack)
	@test -n "$(WORKSPACE)" || { echo "Say which workspace: make token WORKSPACE=acme TABLE_NAME=<output of the stack>" >&2; exit 2; }
	@test -n "$(TABLE_NAME)" || { echo "Say which table: TABLE_NAME is an output of the stack" >&2; exit 2; }
	@TABLE_NAME="$(TABLE_NAME)" $(BIN)/python -m lambdas.access.bootstrap --workspace "$(WORKSPACE)"

limits: $(VENV)/.ready ## Set what a workspace may use: WORKSPACE=acme TABLE_NAME=... ARGS="--gpu-hours 200 --usd none"
	@test -n "$(WORKSPACE)" || { echo "Say which workspace: make limits WORKSPACE=acme TABLE_NAME=<output of the stack>" >&2; exit 2; }
	@test -n "$(TABLE_NAME)" || { echo "Say which table: TABLE_NAME is an output of the stack" >&2; exit 2; }
	@TABLE_NAME="$(TABLE_NAME)" $(BIN)/python -m lambdas.access.limits --workspace "$(WORKSPACE)" $(ARGS)

fault-test: $(VENV)/.ready ## Kill the functions before every call to AWS, not only every third (minutes)
	@LORASTACK_TEST_EVERY_CALL=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/unit $(ARGS)

kohya: $(VENV)/.ready ## Bring the real sd-scripts and an environment for it into .kohya/ (several GB)
	@$(BIN)/python -m local.kohya.setup $(ARGS)

kohya-model: $(VENV)/.ready ## Make a full-size model of random weights for it (ARGS="--fm-type sd_xl")
	@$(BIN)/python -m local.kohya.model $(ARGS)

kohya-tagger: $(VENV)/.ready ## Make a tagger of random weights for it, for trainings with captioning
	@$(BIN)/python -m local.kohya.tagger $(ARGS)

kohya-test: $(VENV)/.ready cdk.out/LoraStack.template.json ## Run the tests that need the real sd-scripts
	@$(BIN)/python -m pytest -m kohya $(ARGS)

image-smoke: $(VENV)/.ready ## Build the training image and run a tiny training in it (needs Docker and `make kohya-model`)
	@$(BIN)/python -m local.image_smoke $(ARGS)

bench: $(VENV)/.ready cdk.out/LoraStack.template.json ## Measure AWS calls per request and cold starts (ARGS=wrapper: the container program)
	@$(BIN)/python -m bench $(ARGS)

bench-lists: $(VENV)/.ready cdk.out/LoraStack.template.json ## Measure list pages and creates with 100 and 100,000 items (needs npm)
	@$(BIN)/python -m bench.list_pages $(ARGS)

setup: $(VENV)/.ready ## Make the virtual environment; the other targets do it by themselves

clean: ## Remove what was built; .lorastack/ (local data) and .kohya/ stay
	rm -rf $(VENV) build cdk.out .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.ready: requirements/uv.txt requirements/dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or later is needed and '$(PYTHON)' is not there: install it, or name one with PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed and '$(PYTHON)' is $$($(PYTHON) -V 2>&1): install a newer one and name it with PYTHON=/path/to/python3." >&2; exit 1; }
	@command -v node >/dev/null || { echo "Node.js 20 or later is needed (the CDK runs on it) and 'node' is not there: install it from nodejs.org or your package manager." >&2; exit 1; }
	@node -e 'process.exit(+process.versions.node.split(".")[0] < 20 ? 1 : 0)' || { echo "Node.js 20 or later is needed (the CDK runs on it) and 'node' is $$(node -v): install a newer one." >&2; exit 1; }
	@echo "[1/2] Making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "Python's venv module is missing: install it (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@echo "[2/2] Installing the dependencies (about a minute at most)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@touch $@

cdk.out/LoraStack.template.json: $(VENV)/.ready $(SYNTH_INPUTS)
	@echo "Synthesizing the CDK app into cdk.out/"
	@rm -rf cdk.out
	@CDK_OUTDIR=cdk.out $(BIN)/python infrastructure/app.py
	@touch $@
