# Every target sets up what it needs. A variable becomes the flag of its name: CACHE=caches/x is --cache='caches/x'.
# What was given is text, never make's own language or a shell's: a $ in it stays one.
$(foreach name,$(filter-out MAKE% -% SHELL,$(.VARIABLES)),\
  $(if $(and $(filter command environment,$(firstword $(origin $(name)))),$(findstring $$,$(value $(name)))),\
    $(eval override $(name) := $$(value $(name)))))
PYTHON ?= python3
DATA ?= data/sample
DEMO ?= demo
UV_VERSION := 0.13.9
LOCK := requirements.lock
# Of setup.cfg, each with a lock of its own, installed on request.
EXTRA_PACKAGES := ray remote others
READY := .venv/.ready-cuda13
MODULE := .venv/bin/python -m
# Data that the user named, not the default.
GIVEN_DATA := $(if $(filter command environment override,$(firstword $(origin DATA))),$(DATA))
# Folders of runs: several to compare, and one of its own to show a leak.
COMPARED := $(RUNS)
LEAK_RUNS := $(or $(RUNS),runs)/leak-demo
# What is measured or looked at where nobody names a cache or photos: the people of the demo, drawn once.
DRAWN := demo/caches/train/cache.json
# Variables that hold several values, in quotes where one has spaces: CACHES="'caches/my photos' caches/b".
SEVERAL := ARGS BACKBONES CACHES COMPARED ENSEMBLES EXTRA FOLD LOG TARGET UPGRADE

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

define newline


endef
# $(call quoted,NAME): the value of a variable as one word of a shell, which nothing in it can leave.
quoted = $(if $(findstring $(newline),$($(1))),$(error $(option) holds a line break, which no target takes))$(call home,'$(subst ','\'',$($(1)))')
# Of another name than ~/ nothing is meant but the name.
home = $(subst $(newline),,$(subst $(newline)'~/,"$$HOME"/',$(newline)$(1)))
# $(call several,NAME): its values, each as one word.
SPLIT := import os, shlex, sys; os.write(1, os.fsencode(shlex.join(os.path.expanduser(w) if w[:2] == "~/" else w for w in shlex.split(sys.argv[1]))))
several = $(or $(shell $(PYTHON) -c '$(SPLIT)' $(call quoted,$(1)) 2>/dev/null),$(error $(option) $($(1)): a quote in it is not closed))

flag_COMPARED := runs
flag_EXTRA := extra-caches
flag_GIVEN_DATA := data
flag_LEAK_RUNS := runs
option = --$(or $(flag_$(1)),$(shell echo $(1) | tr A-Z_ a-z-))
flag = $(option)$(if $(filter RESUME,$(1)),,$(if $(filter $(SEVERAL),$(1)), $(call several,$(1)),=$(call quoted,$(1))))
given = $(strip $(foreach name,$(1),$(if $($(name)),$(name))))
need = $(if $($(1)),,$(error $(1) is missing; give one, as in `make $@ $(1)=$(example)`, and see `make help`))
# What could be given of a variable: the first there is, or what is written so.
written_FOLD := 0
written_NAME := face
example_ENSEMBLE := ensembles/*.toml
example_RECIPE := recipes/*.toml
example_SWEEP := sweeps/*.toml
example_CACHE := caches/*/cache.json demo/caches/*/cache.json
example_PREDICTIONS := predictions/*/answers.csv demo/predictions/*/answers.csv
example_ANSWERS := data/*/*/.answers.csv demo/data/*/.answers.csv
first = $(shell ls -d $(example_$(1)) 2>/dev/null | sed -e 's,/cache.json$$,,' -e 's,/answers.csv$$,,' -e "s,.* .*,'&'," -e q)
example = $(or $(if $(example_$(1)),$(call first,$(1))),$(written_$(1)),...)
# $(call run,module,variables it needs,variables it takes): the command with their flags, and ARGS after them.
run = $(foreach name,$(2),$(call need,$(name)))$(MODULE) $(call with,$(1),$(2) $(3))
with = $(1) $(foreach each,$(call given,$(2)),$(call flag,$(each)))$(if $(ARGS), $(call several,ARGS))

# The extras asked for, all of which must be known.
known_extras = $(foreach extra,$(EXTRAS),$(or $(filter $(EXTRA_PACKAGES),$(extra)),$(error EXTRAS=$(EXTRAS): $(extra) is none; there are $(EXTRA_PACKAGES))))

help: ## list the targets
	@awk -F '## ' '/^##/ {print "\n" $$2} /^[a-z-]+:.*## / {split($$1, target, ":"); printf "  %-17s%s\n", target[1], $$2}' $(firstword $(MAKEFILE_LIST))

## Set up, and see it work
setup: $(READY) ## install everything into .venv: [EXTRAS="ray remote"]
	@for extra in $(known_extras); do \
	  .venv/bin/uv pip install --compile-bytecode --python .venv/bin/python --require-hashes -r requirements-$$extra.lock || exit; done
	@echo "set up; next: make doctor, which says in at most three minutes whether this machine is fit"

doctor: $(READY) ## is this machine fit, in at most three minutes: [ARGS="--device cpu"]
	$(call run,doctor)

installed: $(READY) ## versions and sizes of what is installed: [ARGS="--least 0"]
	$(call run,doctor.installed)

$(READY): $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with PYTHON=...")'
	@echo "setting up .venv from $(LOCK): about 3 GB to download, 7 GB when unpacked, one to five minutes"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	.venv/bin/uv pip sync --compile-bytecode --python .venv/bin/python --require-hashes $(LOCK)
	@rm -f .venv/.ready-cuda12
	@touch $@

lock: ## write the hashed lists of packages from setup.cfg: [UPGRADE=--upgrade for newer versions of all]
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	.venv/bin/uv pip compile setup.cfg --quiet $(if $(UPGRADE),$(call several,UPGRADE)) --extra dev --override overrides.txt \
	  --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" -o $(LOCK)
	@# Each extra fits those before it; the weights are packages of their own, never imported.
	@beside=; for extra in weights $(EXTRA_PACKAGES); do \
	  .venv/bin/python -c 'import configparser as c, sys; s = c.ConfigParser(); s.read("setup.cfg"); print(s["options.extras_require"][sys.argv[1]])' $$extra | \
	  .venv/bin/uv pip compile - --quiet $$beside --universal --python-version 3.11 --generate-hashes \
	  --custom-compile-command "make lock" -o requirements-$$extra.lock || exit; \
	  if test $$extra = weights; then beside="-c $(LOCK)"; else beside="$$beside -c requirements-$$extra.lock"; fi; done

clean: ## remove the environment and everything the demo made
	rm -rf -- .venv .venv-peers $(call quoted,DEMO) .pytest_cache .mypy_cache .ruff_cache

weights: $(READY) ## weights that recipes start from, fetched once: NAME=face, or efficientnet_lite0, _lite1, _lite2
	$(call run,train.weights,NAME)

demo: $(READY) ## the whole way on drawn people: photos, crops, two folds, votes, score and pictures
	@start=$$(date +%s) && demo=$(call quoted,DEMO) && step="$(MAKE) --no-print-directory" && \
	$$step sample PEOPLE=240 SEED=0 DATA="$$demo/data" && \
	$$step preprocess DATA="$$demo/data/train" CACHE="$$demo/caches/train" && \
	$$step preprocess DATA="$$demo/data/eval" CACHE="$$demo/caches/eval" && \
	$$step train FOLD="0 1" RECIPE=recipes/small.toml CACHE="$$demo/caches/train" RUNS="$$demo/runs" && \
	$$step infer ENSEMBLE=ensembles/small.toml CACHE="$$demo/caches/eval" RUNS="$$demo/runs" PREDICTIONS="$$demo/predictions" && \
	$$step score PREDICTIONS="$$demo/predictions/small" ANSWERS="$$demo/data/eval/.answers.csv" CACHE="$$demo/caches/eval" && \
	$$step show PREDICTIONS="$$demo/predictions/small" CACHE="$$demo/caches/eval" DATA="$$demo/data/eval" OUT="$$demo/answers.png" && \
	printf 'demo done in %d s; look at %s and %s\n' "$$(($$(date +%s) - start))" "$$demo/answers.png" "$$demo/predictions/small/score.png" && \
	printf "next: make report RUN='%s/runs/small'\n" "$$demo" && \
	printf "or a photo of yours, answered by what learned from drawings: make try PHOTO=photo.jpg ENSEMBLE=ensembles/small.toml RUNS='%s/runs'\n" "$$demo"

audit-planted leak-demo look-augment bench bench-peers bench-train bench-busy bench-remote: $(if $(CACHE),,$(DRAWN))
$(DRAWN): | $(READY)
	@echo "drawing the people of the demo into demo/, once, for what is run without a cache or photos of yours"
	$(MODULE) faces.sample --data=demo/data --people=240 --seed=0
	$(MODULE) preprocess --data=demo/data/train --cache=demo/caches/train

## Stage 1: photos to a cache of face crops
sample: $(READY) ## draw a sample data set: [PEOPLE=60 SEED=0 DATA=data/sample]
	$(call run,faces.sample,DATA,PEOPLE SEED)

preprocess: $(READY) ## photos to face crops: DATA=folder CACHE=caches/name [LABELS=labels.toml SHARD=3/16 ENGINE=ray RAY_ADDRESS=auto ARGS="--margin 0.4"]
	$(call run,preprocess,DATA CACHE,LABELS SHARD ENGINE RAY_ADDRESS)

labels: $(READY) ## what photos may be labelled with, as a label file to correct: DATA=folder [OUT=labels.toml]
	$(call run,preprocess.labels,DATA,OUT)

verify: $(READY) ## check every hash, count and crop of a cache: CACHE=caches/name
	$(call run,preprocess.verify,CACHE)

join: $(READY) ## finished caches as one: CACHES="caches/a caches/b" CACHE=caches/name [EXTRA=caches/that-only-trains]
	$(call run,preprocess.join,CACHES CACHE,EXTRA)

## Stage 2: a recipe trained on folds of a cache becomes runs
TRAINED_BY := FOLDS RUNS FOLD_SCHEME WEIGHTS PROCESSES RESUME LOG
train: $(READY) ## one fold: FOLD=k RECIPE=recipes/x.toml CACHE=caches/name [FOLDS=5 WEIGHTS=face PROCESSES=2 RESUME=1 LOG=wandb]
	$(call need,FOLD)$(call need,RECIPE)$(call need,CACHE)$(MODULE) $(call with,train,FOLD RECIPE CACHE $(TRAINED_BY))

train-all: $(READY) ## every fold, scored out of fold: RECIPE=... CACHE=... [FOLDS=5 FOLD_SCHEME=person WEIGHTS=file]
	$(call need,RECIPE)$(call need,CACHE)$(MODULE) $(call with,train,RECIPE CACHE $(TRAINED_BY))

train-nested: $(READY) ## networks without each two folds, by which `make tune` fits votes: RECIPE=... CACHE=... [FOLDS=5 WEIGHTS=file]
	$(call need,RECIPE)$(call need,CACHE)$(MODULE) $(call with,train --nested,RECIPE CACHE $(TRAINED_BY))

recipes: $(READY) ## list all recipes and how each differs from its base
	$(call run,train.recipe.catalogue)

look-augment: $(READY) ## contact sheet of augmented crops: RECIPE=recipes/x.toml, or POLICY=strong [CACHE=caches/name]
	$(call run,$(if $(RECIPE),train.look,pipeline.look_augment),,CACHE $(if $(RECIPE),RECIPE,POLICY))

compare: $(READY) ## trained recipes side by side: [RUNS="runs/small runs/face" BASELINE=small MARKDOWN=file BLOCK=name]
	$(call run,train.results.compare,,COMPARED BASELINE MARKDOWN BLOCK)

sweep: $(READY) ## search fields of a recipe: SWEEP=sweeps/x.toml CACHE=caches/name [FOLDS=5 WEIGHTS=file]
	$(call run,train.sweep,SWEEP CACHE,FOLDS RUNS WEIGHTS)

leak-demo: $(READY) ## by how much scores lie when photos are dealt to folds: [CACHE=... RECIPE=... EPOCHS=n FOLDS=5]
	$(call run,train.leak,,CACHE RECIPE EPOCHS FOLDS LEAK_RUNS)

## Stage 3: an ensemble of runs votes and becomes predictions
infer: $(READY) ## predict: ENSEMBLE=ensembles/x.toml CACHE=caches/name [INFO=info.csv RUNS=runs PREDICTIONS=folder]
	$(call run,infer,ENSEMBLE CACHE,RUNS PREDICTIONS INFO)

score: $(READY) ## score predictions: PREDICTIONS=predictions/x ANSWERS=file.csv CACHE=caches/name
	$(call run,infer.answers.score,PREDICTIONS ANSWERS CACHE)

show: $(READY) ## photos in, answers out, as a picture: PREDICTIONS=predictions/x CACHE=caches/name DATA=its-photos [OUT=file]
	$(call run,infer.answers.show,PREDICTIONS CACHE DATA,OUT)

diff: $(READY) ## what changed between two predictions: FIRST=predictions/a SECOND=predictions/b [CACHE=... ANSWERS=file.csv]
	$(call run,infer.answers.diff,FIRST SECOND,CACHE ANSWERS)

ensembles: $(READY) ## list all ensembles, each with a drawing of its tree: [RUNS=runs]
	$(call run,infer.ensemble.catalogue,,RUNS)

evaluate: $(READY) ## score an ensemble out of fold: ENSEMBLE=ensembles/x.toml CACHE=caches/name (of training) [RUNS=runs]
	$(call run,infer.evaluate,ENSEMBLE CACHE,RUNS PREDICTIONS)

standings: $(READY) ## ensembles side by side: CACHE=caches/name [RUNS=runs ENSEMBLES="..." MARKDOWN=file]
	$(call run,infer.evaluate.standings,CACHE,RUNS ENSEMBLES MARKDOWN)

tune: $(READY) ## fit weights, threshold, temperature, choices of rare values by nested folds: ENSEMBLE=ensembles/x.toml CACHE=caches/name
	$(call run,infer.tune,ENSEMBLE CACHE,RUNS PREDICTIONS)

select: $(READY) ## greedy selection of an ensemble from a folder of runs: CACHE=caches/name [RUNS=runs ARGS="--by log_loss"]
	$(call run,infer.tune.select,CACHE,RUNS)

## See it, trust it: pages, wrong labels, where networks look, cards
report: $(READY) ## one page, with all photos: CACHE=caches/x or RUN=runs/x[/fold0] or ENSEMBLE=ensembles/x.toml CACHE=... [RUNS=runs OUT=file]
	$(if $(CACHE)$(RUN)$(ENSEMBLE),,$(error give CACHE=caches/x, RUN=runs/x or ENSEMBLE=ensembles/x.toml with CACHE=...))$(call run,report,,CACHE RUN ENSEMBLE $(if $(ENSEMBLE),RUNS PREDICTIONS) OUT)

look: $(READY) ## a page on a cache: counts, crops, failures, near-duplicates: CACHE=caches/name
	$(call run,preprocess.look,CACHE)

explain: $(READY) ## what becomes of one photo, as a picture: PHOTO=file [ARGS="--align"]; where networks look, with ENSEMBLE= or RUN=
	$(call run,$(if $(RUN)$(ENSEMBLE),serve.one.explain,preprocess.look.explain),PHOTO,OUT $(if $(RUN)$(ENSEMBLE),RUN ENSEMBLE $(if $(ENSEMBLE),RUNS)))

audit: $(READY) ## which labels are probably wrong, by answers out of fold: CACHE=caches/x RUNS=runs/quick (or ENSEMBLE=...) [DATA=its-photos OUT=folder]
	$(call run,report.audit,CACHE,RUNS ENSEMBLE GIVEN_DATA OUT)

audit-confirm: $(READY) ## a page on this machine to confirm them with two keys: AUDIT=audits/x [ARGS="--port 0"]
	$(call run,report.audit.confirm,AUDIT)

audit-planted: $(READY) ## how many planted wrong labels an audit finds: [CACHE=caches/x RECIPE=... WEIGHTS=file ARGS="--seeds 0 1 2"]
	$(call run,report.audit.planted,,CACHE RECIPE WEIGHTS OUT)

face-shares: $(READY) ## do heads look at the face, or at hair, collar, wall: ENSEMBLE=... CACHE=caches/name (of training) [RUNS=runs OUT=file]
	$(call run,infer.explain,ENSEMBLE CACHE,RUNS OUT)

card: $(READY) ## model card of a trained recipe: RUN=runs/x, or of a fold: RUN=runs/x/fold0
	$(call run,infer.cards,RUN,OUT)

## Use it: one photo, a service, programs for other machines
try: $(READY) ## one photo to its answer, by the newest model or the one named: PHOTO=file [ENSEMBLE=ensembles/x.toml or MODEL=exports/x]
	$(call run,serve.one,PHOTO,MODEL ENSEMBLE RUNS OUT)

serve: $(READY) ## answer photos over HTTP, and a page to drop them on: ENSEMBLE=ensembles/x.toml or MODEL=exports/x [HOST=127.0.0.1 PORT=8000]
	$(if $(MODEL)$(ENSEMBLE),,$(error give MODEL=exports/x or ENSEMBLE=ensembles/x.toml))$(call run,serve,,MODEL ENSEMBLE $(if $(ENSEMBLE),RUNS) HOST PORT)

# Here RUN names a trained fold.
export: $(READY) ## ONNX, torch.export, a single-file predictor: RUN=runs/x/fold0 or ENSEMBLE=ensembles/x.toml [OUT=folder CACHE=... FORMAT=triton]
	$(if $(RUN)$(ENSEMBLE),,$(error give RUN=runs/x/fold0 or ENSEMBLE=ensembles/x.toml))$(call run,infer.export,,RUN ENSEMBLE $(if $(ENSEMBLE),RUNS PREDICTIONS) OUT CACHE FORMAT)

## Measure
bench: $(READY) ## our loader beside torchvision's: [CACHE=caches/name]
	$(call run,bench.loaders,,CACHE)

bench-peers: $(READY) ## our loader beside other libraries': [CACHE=caches/name]
	$(MODULE) bench.loaders.install
	$(call run,bench.loaders,,CACHE) --rivals all --policies light strong --out bench/results/peers.json

bench-whole: $(READY) ## the whole job as teams write it and by the product: [RECIPE=... FOLDS=2 EPOCHS=n DATA=labelled-folder]
	$(call run,bench.whole,,RECIPE FOLDS EPOCHS GIVEN_DATA REPETITIONS)

bench-preprocess: $(READY) $(if $(GIVEN_DATA),,$(DRAWN)) ## stage 1 beside facenet-pytorch: [DATA=photos YUNET=model.onnx]
	$(call run,bench.preprocess,,GIVEN_DATA YUNET)

bench-engines: $(READY) $(if $(GIVEN_DATA),,$(DRAWN)) ## stage 1 by processes, by an array of shares and by Ray, on the same cores: [DATA=photos]
	$(call run,bench.engines,,GIVEN_DATA)

bench-train: $(READY) ## does training wait for its loader: [RECIPE=recipes/resnet18.toml CACHE=caches/name WEIGHTS=file]
	$(call run,bench.train,,RECIPE CACHE WEIGHTS)

bench-step: $(READY) ## what precision, layout, our loops, frozen layers and torch.compile gain in training: [BACKBONES="resnet18 efficientnet_b0"]
	$(call run,bench.train.step,,BACKBONES)

bench-busy: $(READY) ## training alone and beside another busy process: [RECIPE=recipes/small.toml CACHE=caches/name]
	$(call run,bench.train.busy,,RECIPE CACHE)

bench-infer: $(READY) ## predicting beside a batch-1 loop and the bare networks: [BACKBONES="resnet18" DATA=folder]
	$(call run,bench.infer,,BACKBONES GIVEN_DATA)

bench-serve: $(READY) $(if $(GIVEN_DATA),,$(DRAWN)) ## the service under 1, 8 and 32 clients, its memory: ENSEMBLE=... or MODEL=exports/x [DATA=photos]
	$(if $(MODEL)$(ENSEMBLE),,$(error give MODEL=exports/x or ENSEMBLE=ensembles/x.toml))$(call run,bench.serve,,MODEL ENSEMBLE $(if $(ENSEMBLE),RUNS) GIVEN_DATA)

bench-remote: $(READY) ## an epoch from object storage beside a local one (EXTRAS="remote others"): [CACHE=caches/name]
	$(call run,bench.remote,,CACHE)

bench-scale: $(READY) ## what grows with a cache: memory, start-up, the order
	$(call run,bench.scale)

soak: $(READY) ## hours of training and preprocessing, what grows meanwhile: [HOURS=2 or MINUTES=10]
	$(call run,bench.soak,,HOURS MINUTES)

## Check
test: $(READY) ## all tests but the slow ones, in as many processes as there are cores, at most four
	OMP_NUM_THREADS=1 $(MODULE) pytest -n logical --maxprocesses 4 --dist loadfile

test-slow: $(READY) ## what is slow by nature, such as every recipe trained for one short epoch
	OMP_NUM_THREADS=1 $(MODULE) pytest -m slow -n logical --maxprocesses 4

gpu-check: $(READY) ## all that is made for a GPU, on this one, in at most 12 minutes: [OUT=gpu-check ARGS="--list"]
	$(call run,doctor.gpu_check,,OUT)

fuzz: $(READY) ## damaged files for every reader: [MINUTES=10 TARGET="images caches" SEED=0 INPUT=file-that-failed]
	$(call run,tests.fuzz,,MINUTES TARGET SEED INPUT)

audit-packages: $(READY) ## locked versions against known holes, by a table and pip-audit's database: [ARGS=--offline]
	$(call run,tests.packages)

test-faults: $(READY) ## hundreds of faults in files and processes, as a table: [ONLY="caches/*" SEED=0 OUT=faults-report]
	OMP_NUM_THREADS=1 $(MODULE) pytest -m faults -s tests/faults

check: $(READY) ## lint, formatting, types, and who may import whom
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(MODULE) pytest --noconftest tests/test_layers.py
