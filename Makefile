# Thin names over plain commands; README.md says what each is for.
.PHONY: setup repro cluster docs test test-long test-processors lint bench paper evaluation export protect seeds readings compare celeba lock

PYTHON ?= python3
ACTIVATE := . .venv/bin/activate
# Of the user's own Python, for which they were set.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH
# Into .venv, whatever pip's settings say; an empty value takes a setting back.
PIP := PIP_USER=0 PIP_TARGET= PIP_PREFIX= PIP_ROOT= python -m pip install --disable-pip-version-check --quiet --require-hashes
# For the shell, whatever characters a name holds; of a variable, its value as it was typed.
quoted = '$(subst ','\'',$(1))'
typed = $(call quoted,$(value $(1)))
# A setting whose value is that of a variable, in the inner quotes that Hydra's grammar wants for blanks and signs.
setting = $(call quoted,$(1)="$(subst ",\",$(subst \",\\",$(value $(2))))")
# Without VGG-Face's file the paper's scale runs on dlib's descriptor, and the report says so.
DESCRIPTOR = $(if $(VGG_FACE),-S train.B.descriptor=vgg_face -S $(call setting,train.B.weights,VGG_FACE))

setup: .venv/ready

.venv/ready: requirements.lock references.lock
	@$(call typed,PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "error: $(PYTHON) is Python " + sys.version.split()[0] + "; name one of 3.11 to 3.13: make PYTHON=python3.12 setup")'
	$(call typed,PYTHON) -m venv .venv
	$(ACTIVATE) && $(PIP) -r requirements.lock
	$(ACTIVATE) && $(PIP) --no-deps -r references.lock
	@touch $@

repro: setup
	$(ACTIVATE) && python -m tools.repro

# PROFILE: one of workflow/profiles. PIPELINE=evaluation runs the second pipeline, and what it needs of the first.
PROFILE ?= default
PIPELINE ?= paper
cluster: setup
	@test -d "workflow/profiles/$(PROFILE)" || { echo "error: no profile '$(PROFILE)'; there are: $(notdir $(wildcard workflow/profiles/*))"; exit 1; }
	$(ACTIVATE) && snakemake --workflow-profile workflow/profiles/$(PROFILE) $(PIPELINE) && python -m tools.results $(PIPELINE)

test: setup
	$(ACTIVATE) && python -m pytest -n auto --dist loadgroup -m "not long"

test-long: setup
	$(ACTIVATE) && python -m pytest -n auto --dist loadgroup -m long

# As on other processors: each line is one, by the instructions that PyTorch, oneDNN and OpenBLAS then use.
NUMERICAL := any_model attacks conventional dlib_face features metrics minimum_norm models quality recognisers scoring \
	targets training transforms vgg_face
test-processors: setup
	@$(ACTIVATE) && for processor in \
		"ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OPENBLAS_CORETYPE=Nehalem" \
		"ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell" \
		"ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE"; \
	do echo "$$processor" && env $$processor python -m pytest -q -n auto $(NUMERICAL:%=tests/test_%.py) || exit 1; done

lint: setup
	$(ACTIVATE) && ruff check . && ruff format --check . && mypy

# ROWS="mssim training" measures these alone; without it, all that this machine can.
bench: .venv/bench
	$(ACTIVATE) && python -m benchmarks $(ROWS)

.venv/bench: .venv/ready benchmarks/requirements.lock
	$(ACTIVATE) && $(PIP) --no-deps -r benchmarks/requirements.lock
	@touch $@

paper: setup
	@test -d $(call typed,DATA) || { echo "error: no folder" $(call typed,DATA)": make paper DATA=DIR VGG_FACE=FILE (README: Real faces)"; exit 1; }
	$(ACTIVATE) && python -m tools.repro --exp \
		-S data.source=celeba -S $(call setting,data.root,DATA) -S 'data.image_size=[218, 178]' -S subset.persons=30 \
		-S subset.images_per_person=30 -S train.learning_rate=0.0001 -S train.A.epochs=147 \
		-S attack.images_per_person=null -S attack.p_fgvm_noise.images=null -S page.faces_mb=20 $(DESCRIPTOR)

# What is measured beyond the paper: the second pipeline.
evaluation: setup
	$(ACTIVATE) && python -m tools.repro stages/evaluation/dvc.yaml

# The attacked clean faces as PNG files in DIR, for other tools (data/external/README.md).
export: setup
	@test -n $(call typed,DIR) || { echo "error: name a folder: make export DIR=faces"; exit 1; }
	$(ACTIVATE) && python -m tools.export --faces data/faces.zip --split data/split.csv --out $(call typed,DIR)

# One photograph of any name, or several, in quotes where a name holds blanks: PHOTO="a.jpg 'my b.jpg'" (docs/protect.md).
MODEL := B
METHOD := p_fgvm_features
STRENGTH := medium
OUT := protected
protect: setup
	@test -n $(call typed,PHOTO) || { echo 'error: name photographs: make protect PHOTO="a.jpg b.jpg" [STRENGTH=light|medium|strong] [METHOD=p_fgvm] [MODEL=A] [OUT=protected]'; exit 1; }
	$(ACTIVATE) && python -m tools.protect --model $(call typed,MODEL) --method $(call typed,METHOD) --strength $(call typed,STRENGTH) --out $(call typed,OUT) --line=$(call typed,PHOTO)

# Tables 3 and 4 at N seeds, and Model A under other readings of the paper, at the settings of params.yaml.
N ?= 5
seeds: setup
	$(ACTIVATE) && python -m tools.seeds --count $(N) --paper reports/paper.yaml --out reports
	@cat reports/seeds.md

readings: setup
	$(ACTIVATE) && python -m tools.readings --paper reports/paper.yaml --out reports
	@cat reports/readings.md

# Runs side by side: names of experiments, Git revisions, or `workspace` for the files as they lie (docs/experiments.md).
compare: setup
	@test -n $(call typed,EXP) || { echo 'error: name runs, the first to hold the others against: make compare EXP="HEAD NAME" (dvc exp show lists them)'; exit 1; }
	$(ACTIVATE) && python -m tools.compare -- $(foreach name,$(EXP),$(call quoted,$(name)))

# The documents' generated parts, from the committed numbers.
docs: setup
	$(ACTIVATE) && python -m tools.docs

celeba: setup
	$(ACTIVATE) && python -m tools.fetch_celeba --root data

# For maintainers: needs uv.
LOCK := --universal --generate-hashes --no-header --quiet
lock:
	uv pip compile pyproject.toml --all-extras $(LOCK) --output-file requirements.lock
	uv pip compile --group references --no-deps $(LOCK) --output-file references.lock
	uv pip compile --group bench --constraints requirements.lock --overrides benchmarks/overrides.txt $(LOCK) \
		--output-file benchmarks/requirements.lock
