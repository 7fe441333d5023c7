# Every target sets up what it needs; `make help` lists them.
PYTHON ?= python3
# What was set up once stays: only `make setup CUDA=...` changes it.
CUDA ?= $(if $(wildcard .venv/.ready-cuda12),12,13)
FOLDS ?= 5
RUNS ?= runs
PEOPLE ?= 60
SEED ?= 0
DATA ?= data/sample
DEMO ?= demo
UV_VERSION := 0.13.9
LOCK := $(if $(filter 12,$(CUDA)),requirements-cuda12.lock,requirements.lock)
READY := .venv/.ready-cuda$(CUDA)
# `make export RUN=...` names a trained fold; everywhere else RUN is what starts a program.
EXPORTED := $(if $(filter command,$(origin RUN)),$(RUN))
override RUN := .venv/bin/python -m
# Several processes train one network together, each on a GPU or some cores of its own.
LAUNCH = $(if $(PROCESSES),$(RUN) torch.distributed.run --standalone --nproc-per-node $(PROCESSES) -m,$(RUN))
TRAIN = $(LAUNCH) train --recipe $(RECIPE) --cache $(CACHE) --folds $(FOLDS) --runs $(RUNS) $(if $(FOLD_SCHEME),--fold-scheme $(FOLD_SCHEME)) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(RESUME),--resume) $(if $(LOG),--log $(LOG))

.DEFAULT_GOAL := help
.PHONY: help setup lock sample preprocess join look verify explain train train-all infer export score evaluate tune select look-augment recipes ensembles standings diff compare sweep bench bench-peers bench-preprocess bench-scale bench-train bench-step bench-infer leak-demo demo test test-slow check clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 18

setup: $(READY) ## install everything into .venv (CUDA=12 for hosts with CUDA 12)

$(READY): $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with PYTHON=...")'
	@case "$(CUDA)" in 12|13) ;; *) echo "CUDA=$(CUDA): choose 12 or 13"; exit 2;; esac
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	.venv/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes $(LOCK)
	@rm -f .venv/.ready-cuda*
	@touch $@
	@if [ "$(CUDA)" = 12 ]; then echo "DALI for CUDA 12 is installed. PyTorch's wheel still brings CUDA 13 and needs NVIDIA driver 580 or newer to see the GPU; with an older driver install a CUDA 12 build of the same torch and torchvision from PyTorch's own index, or train on the CPU."; fi

lock: ## renew the hashed lists of packages from setup.cfg
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	for cuda in 13 12; do \
	  lock=requirements.lock; [ $$cuda = 13 ] || lock=requirements-cuda12.lock; \
	  .venv/bin/uv pip compile setup.cfg --quiet --upgrade --extra cuda$$cuda --extra dev --override overrides.txt \
	    --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -o $$lock || exit 1; \
	done

sample: $(READY) ## draw a sample data set: PEOPLE=60 SEED=0 DATA=data/sample
	$(RUN) faces.sample --people $(PEOPLE) --seed $(SEED) --data $(DATA)

preprocess: $(READY) ## stage 1, photos to face crops: DATA=folder CACHE=caches/name [ARGS="--margin 0.4"]
	$(call need,CACHE)
	$(RUN) preprocess --data $(DATA) --cache $(CACHE) $(ARGS)

join: $(READY) ## finished caches as one: CACHES="caches/a caches/b" CACHE=caches/name [EXTRA=caches/generated]
	$(call need,CACHES)$(call need,CACHE)
	$(RUN) preprocess.join --caches $(CACHES) --cache $(CACHE) $(if $(EXTRA),--extra-caches $(EXTRA))

look: $(READY) ## a page on a cache: counts, crops, failures, near-duplicates: CACHE=caches/name
	$(call need,CACHE)
	$(RUN) preprocess.look --cache $(CACHE) $(ARGS)

verify: $(READY) ## check every hash, count and crop of a cache: CACHE=caches/name
	$(call need,CACHE)
	$(RUN) preprocess.verify --cache $(CACHE)

explain: $(READY) ## what stage 1 makes of one photo, as a picture: PHOTO=file [ARGS="--align"]
	$(call need,PHOTO)
	$(RUN) preprocess.look.explain --photo $(PHOTO) $(ARGS)

train: $(READY) ## stage 2, train one fold: FOLD=k RECIPE=recipes/x.toml CACHE=caches/name [FOLDS=5 WEIGHTS=file PROCESSES=2 RESUME=1]
	$(call need,FOLD)$(call need,RECIPE)$(call need,CACHE)
	$(TRAIN) --fold $(FOLD) $(ARGS)

train-all: $(READY) ## train every fold and score out of fold: RECIPE=... CACHE=... [FOLDS=5 FOLD_SCHEME=person WEIGHTS=file]
	$(call need,RECIPE)$(call need,CACHE)
	$(TRAIN) $(ARGS)

infer: $(READY) ## stage 3, predict: ENSEMBLE=ensembles/x.toml CACHE=caches/name [INFO=info.csv]
	$(call need,ENSEMBLE)$(call need,CACHE)
	$(RUN) infer --ensemble $(ENSEMBLE) --cache $(CACHE) --runs $(RUNS) $(if $(PREDICTIONS),--predictions $(PREDICTIONS)) $(if $(INFO),--info $(INFO)) $(ARGS)

export: $(READY) ## ONNX, torch.export and a single-file predictor: RUN=runs/x/fold0, or ENSEMBLE=ensembles/x.toml [OUT=folder CACHE=caches/name]
	$(if $(EXPORTED)$(ENSEMBLE),,$(error give RUN=runs/x/fold0 or ENSEMBLE=ensembles/x.toml))
	$(RUN) infer.export $(if $(EXPORTED),--run $(EXPORTED)) $(if $(ENSEMBLE),--ensemble $(ENSEMBLE) --runs $(RUNS)) $(if $(OUT),--out $(OUT)) $(if $(CACHE),--cache $(CACHE)) $(ARGS)

score: $(READY) ## score predictions: PREDICTIONS=predictions/x ANSWERS=file.csv CACHE=caches/name
	$(call need,PREDICTIONS)$(call need,ANSWERS)$(call need,CACHE)
	$(RUN) infer.answers.score --predictions $(PREDICTIONS) --answers $(ANSWERS) --cache $(CACHE)

evaluate: $(READY) ## score an ensemble out of fold: ENSEMBLE=ensembles/x.toml CACHE=caches/name (of training) [RUNS=runs]
	$(call need,ENSEMBLE)$(call need,CACHE)
	$(RUN) infer.evaluate --ensemble $(ENSEMBLE) --cache $(CACHE) --runs $(RUNS) $(if $(PREDICTIONS),--predictions $(PREDICTIONS)) $(ARGS)

tune: $(READY) ## fit weights, threshold, temperature by nested folds: ENSEMBLE=ensembles/x.toml CACHE=caches/name [RUNS=runs]
	$(call need,ENSEMBLE)$(call need,CACHE)
	$(RUN) infer.tune --ensemble $(ENSEMBLE) --cache $(CACHE) --runs $(RUNS) $(if $(PREDICTIONS),--predictions $(PREDICTIONS)) $(ARGS)

select: $(READY) ## greedy selection of an ensemble from a folder of runs: RUNS=runs CACHE=caches/name [ARGS="--by log_loss"]
	$(call need,CACHE)
	$(RUN) infer.tune.select --runs $(RUNS) --cache $(CACHE) $(ARGS)

diff: $(READY) ## what changed between two predictions: FIRST=predictions/a SECOND=predictions/b [CACHE=caches/name ANSWERS=file.csv]
	$(call need,FIRST)$(call need,SECOND)
	$(RUN) infer.answers.diff --first $(FIRST) --second $(SECOND) $(if $(CACHE),--cache $(CACHE)) $(if $(ANSWERS),--answers $(ANSWERS)) $(ARGS)

compare: $(READY) ## trained recipes side by side: [RUNS="runs/small runs/quarter" BASELINE=small MARKDOWN=file BLOCK=name]
	$(RUN) train.results.compare --runs $(RUNS) $(if $(BASELINE),--baseline "$(BASELINE)") $(if $(MARKDOWN),--markdown $(MARKDOWN)) $(if $(BLOCK),--block $(BLOCK)) $(ARGS)

sweep: $(READY) ## search fields of a recipe: SWEEP=sweeps/x.toml CACHE=caches/name [FOLDS=5 WEIGHTS=file]
	$(call need,SWEEP)$(call need,CACHE)
	$(RUN) train.sweep --sweep $(SWEEP) --cache $(CACHE) --folds $(FOLDS) --runs $(RUNS) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(ARGS)

recipes: $(READY) ## list all recipes and how each differs from its base
	$(RUN) train.recipe.catalogue $(ARGS)

ensembles: $(READY) ## list all ensembles, each with a drawing of its tree: [RUNS=runs]
	$(RUN) infer.ensemble.catalogue --runs $(RUNS) $(ARGS)

standings: $(READY) ## ensembles side by side: score out of fold, gains, cost, photos/s: CACHE=caches/name [RUNS=runs ENSEMBLES="..." MARKDOWN=file]
	$(call need,CACHE)
	$(RUN) infer.evaluate.standings --cache $(CACHE) --runs $(RUNS) $(if $(ENSEMBLES),--ensembles $(ENSEMBLES)) $(if $(MARKDOWN),--markdown $(MARKDOWN)) $(ARGS)

look-augment: $(READY) ## contact sheet of augmented crops: CACHE=caches/name RECIPE=recipes/x.toml, or POLICY=strong
	$(call need,CACHE)
	$(if $(RECIPE),$(RUN) train.look --recipe $(RECIPE),$(RUN) pipeline.look $(if $(POLICY),--policy $(POLICY))) --cache $(CACHE) $(ARGS)

bench: $(READY) ## measure loaders side by side: [CACHE=caches/name]
	$(RUN) bench.loaders $(if $(CACHE),--cache $(CACHE)) $(ARGS)

bench-peers: $(READY) ## measure the loader beside other libraries': [CACHE=caches/name]
	$(RUN) bench.loaders.install
	$(RUN) bench.loaders --rivals all --policies light strong --out bench/results/peers.json $(if $(CACHE),--cache $(CACHE)) $(ARGS)

bench-scale: $(READY) ## measure what grows with a cache: memory, start-up, the order
	$(RUN) bench.scale $(ARGS)

bench-preprocess: $(READY) ## measure stage 1 beside facenet-pytorch: [DATA=photos YUNET=model.onnx]
	$(RUN) bench.preprocess $(if $(filter command line environment,$(origin DATA)),--data $(DATA)) $(if $(YUNET),--yunet $(YUNET)) $(ARGS)

bench-train: $(READY) ## does training wait for its loader: [RECIPE=recipes/resnet18.toml CACHE=caches/name WEIGHTS=file]
	$(RUN) bench.train $(if $(RECIPE),--recipe $(RECIPE)) $(if $(CACHE),--cache $(CACHE)) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(ARGS)

bench-step: $(READY) ## what precision, layout and torch.compile gain in training: [BACKBONES="resnet18 efficientnet_b0"]
	$(RUN) bench.train.step $(if $(BACKBONES),--backbones $(BACKBONES)) $(ARGS)

bench-infer: $(READY) ## measure predicting beside a batch-1 loop and the bare networks: [BACKBONES="resnet18" DATA=folder]
	$(RUN) bench.infer $(if $(BACKBONES),--backbones $(BACKBONES)) $(if $(filter command line environment,$(origin DATA)),--data $(DATA)) $(ARGS)

leak-demo: $(READY) ## by how much scores lie when photos, not people, are dealt to folds: [CACHE=... RECIPE=... EPOCHS=n FOLDS=5]
	$(RUN) train.leak $(if $(CACHE),--cache $(CACHE)) $(if $(RECIPE),--recipe $(RECIPE)) $(if $(EPOCHS),--epochs $(EPOCHS)) --folds $(FOLDS) --runs $(RUNS)/leak-demo $(ARGS)

demo: $(READY) ## the whole way on drawn people: photos, crops, two folds, votes, score and pictures
	@start=$$(date +%s) && \
	$(MAKE) --no-print-directory sample PEOPLE=240 SEED=0 DATA=$(DEMO)/data && \
	$(MAKE) --no-print-directory preprocess DATA=$(DEMO)/data/train CACHE=$(DEMO)/caches/train && \
	$(MAKE) --no-print-directory preprocess DATA=$(DEMO)/data/eval CACHE=$(DEMO)/caches/eval && \
	$(MAKE) --no-print-directory train FOLD="0 1" RECIPE=recipes/small.toml CACHE=$(DEMO)/caches/train RUNS=$(DEMO)/runs && \
	$(MAKE) --no-print-directory infer ENSEMBLE=ensembles/small.toml CACHE=$(DEMO)/caches/eval RUNS=$(DEMO)/runs PREDICTIONS=$(DEMO)/predictions && \
	$(MAKE) --no-print-directory score PREDICTIONS=$(DEMO)/predictions/small ANSWERS=$(DEMO)/data/eval/.answers.csv CACHE=$(DEMO)/caches/eval && \
	echo "demo done in $$(($$(date +%s) - start)) s; look at $(DEMO)/predictions/small/score.png"

test: $(READY) ## all tests
	.venv/bin/python -m pytest

test-slow: $(READY) ## train every recipe for one short epoch
	.venv/bin/python -m pytest -m slow

check: $(READY) ## lint, formatting, types, and who may import whom
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m pytest tests/test_layers.py

clean: ## remove the environment and everything the demo made
	rm -rf .venv .venv-peers $(DEMO) .pytest_cache .mypy_cache .ruff_cache

need = $(if $($(1)),,$(error $(1) is missing; `make help` shows what each target takes))
