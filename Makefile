# `make` alone lists the targets: the text after `## ` is a target's help.
.PHONY: help setup repro evaluation test paper celeba compare seeds readings export protect cluster docs lint \
	test-long test-processors bench lock

PYTHON ?= python3
ACTIVATE := . .venv/bin/activate
# They were set for the user's own Python.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH
# Install into .venv whatever pip's settings are; an empty value resets a setting.
PIP := PIP_USER=0 PIP_TARGET= PIP_PREFIX= PIP_ROOT= python -m pip install --disable-pip-version-check --quiet --require-hashes
# Shell quoting of any text, and of a variable's value as typed by the user.
quoted = '$(subst ','\'',$(1))'
typed = $(call quoted,$(value $(1)))
# A setting with the value of a variable, in the inner quotes that Hydra's grammar needs for blanks and special characters.
setting = $(call quoted,$(1)="$(subst ",\",$(subst \",\\",$(value $(2))))")

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: .venv/ready  ## install the pinned environment into .venv

.venv/ready: requirements.lock references.lock
	@$(call typed,PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "error: $(PYTHON) is Python " + sys.version.split()[0] + "; use 3.11 to 3.13: make PYTHON=python3.12 setup")'
	$(call typed,PYTHON) -m venv .venv
	$(ACTIVATE) && $(PIP) -r requirements.lock
	$(ACTIVATE) && $(PIP) --no-deps -r references.lock
	@touch $@

repro: setup  ## run the paper's pipeline and write the report
	$(ACTIVATE) && python -m tools.repro

evaluation: setup  ## evaluate the protection beyond the paper
	$(ACTIVATE) && python -m tools.repro stages/evaluation/dvc.yaml

test: setup  ## run the tests, without the long ones
	$(ACTIVATE) && python -m pytest -n auto --dist loadgroup -m "not long"

# Without VGG-Face's weights, Model B uses dlib's descriptor, as the report states. Both are set each time, since DVC
# leaves an experiment's settings in params.yaml.
DESCRIPTOR = $(if $(VGG_FACE),-S train.B.descriptor=vgg_face -S $(call setting,train.B.weights,VGG_FACE),\
	-S train.B.descriptor=dlib -S train.B.weights=data/installed-weights)
paper: setup  ## run the paper's pipeline at the paper's scale: DATA=DIR [VGG_FACE=FILE] (docs/data.md)
	@test -d $(call typed,DATA) || { echo "error: no folder" $(call typed,DATA)": make paper DATA=DIR VGG_FACE=FILE (docs/data.md)"; exit 1; }
	$(ACTIVATE) && python -m tools.repro --exp \
		-S data.source=celeba -S $(call setting,data.root,DATA) -S 'data.image_size=[218, 178]' -S subset.persons=30 \
		-S subset.images_per_person=30 -S train.learning_rate=0.0001 -S train.A.epochs=147 \
		-S attack.images_per_person=null -S attack.p_fgvm_noise.images=null -S page.faces_mb=20 $(DESCRIPTOR)

celeba: setup  ## download CelebA into data/celeba
	$(ACTIVATE) && python -m tools.fetch_celeba --root data

compare: setup  ## compare runs in a table and a page: EXP="HEAD NAME" (docs/experiments.md)
	@test -n $(call typed,EXP) || { echo 'error: name two or more runs: make compare EXP="HEAD NAME" (dvc exp show lists them)'; exit 1; }
	$(ACTIVATE) && python -m tools.compare -- $(foreach name,$(EXP),$(call quoted,$(name)))

N ?= 5
seeds: setup  ## run the pipeline at several seeds: [N=5]
	$(ACTIVATE) && python -m tools.seeds --count $(N) --paper reports/paper.yaml --out reports
	@cat reports/seeds.md

readings: setup  ## run Model A under several readings of the paper
	$(ACTIVATE) && python -m tools.readings --paper reports/paper.yaml --out reports
	@cat reports/readings.md

export: setup  ## write the attacked clean faces as PNG files for other tools: DIR=FOLDER (data/external/README.md)
	@test -n $(call typed,DIR) || { echo "error: name a folder: make export DIR=faces"; exit 1; }
	$(ACTIVATE) && python -m tools.export --faces data/faces.zip --split data/split.csv --out $(call typed,DIR)

MODEL := B
METHOD :=
# A method is used instead of a mode.
MODE := $(if $(value METHOD),,natural)
OUT := protected
protect: setup  ## protect the faces in your photos: PHOTO="a.jpg 'my b.jpg'" [MODE=strong] (docs/protect.md)
	@test -n $(call typed,PHOTO) || { echo 'error: name photos: make protect PHOTO="a.jpg b.jpg" [MODE=natural|strong|pixels] [METHOD=p_fgvm] [MODEL=A] [OUT=protected]'; exit 1; }
	$(ACTIVATE) && python -m tools.protect --model $(call typed,MODEL) $(if $(value MODE),--mode $(call typed,MODE)) $(if $(value METHOD),--method $(call typed,METHOD)) --out $(call typed,OUT) --line=$(call typed,PHOTO)

# PROFILE: a folder of workflow/profiles. PIPELINE: paper or evaluation.
PROFILE ?= default
PIPELINE ?= paper
cluster: setup  ## run a pipeline with Snakemake: [PROFILE=slurm] [PIPELINE=evaluation] (docs/cluster.md)
	@test -d "workflow/profiles/$(PROFILE)" || { echo "error: no profile '$(PROFILE)'; use one of: $(notdir $(wildcard workflow/profiles/*))"; exit 1; }
	$(ACTIVATE) && snakemake --workflow-profile workflow/profiles/$(PROFILE) $(PIPELINE) && python -m tools.results $(PIPELINE)

docs: setup  ## update the documents' generated parts from the committed results
	$(ACTIVATE) && python -m tools.docs

lint: setup  ## check code style and types
	$(ACTIVATE) && ruff check . && ruff format --check . && mypy

test-long: setup  ## run the long tests
	$(ACTIVATE) && python -m pytest -n auto --dist loadgroup -m long

# Each line selects the instructions of one processor for PyTorch, oneDNN and OpenBLAS.
NUMERICAL := any_model attacks conventional dlib_face features metrics minimum_norm models quality recognisers scoring \
	sface shape smooth_fields targets training transforms vgg_face
test-processors: setup  ## run the numerical tests with the instructions of three processors
	@$(ACTIVATE) && for processor in \
		"ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OPENBLAS_CORETYPE=Nehalem" \
		"ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell" \
		"ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE"; \
	do echo "$$processor" && env $$processor python -m pytest -q -n auto $(NUMERICAL:%=tests/test_%.py) || exit 1; done

bench: .venv/bench  ## measure the speed on this machine: [ROWS="mssim training"]
	$(ACTIVATE) && python -m benchmarks $(ROWS)

.venv/bench: .venv/ready benchmarks/requirements.lock
	$(ACTIVATE) && $(PIP) --no-deps -r benchmarks/requirements.lock
	@touch $@

LOCK := --universal --generate-hashes --no-header --quiet
lock:  ## pin all packages anew (for maintainers; needs uv)
	uv pip compile pyproject.toml --all-extras $(LOCK) --output-file requirements.lock
	uv pip compile --group references --no-deps $(LOCK) --output-file references.lock
	uv pip compile --group bench --constraints requirements.lock --overrides benchmarks/overrides.txt $(LOCK) \
		--output-file benchmarks/requirements.lock
