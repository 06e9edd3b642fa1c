# Two commands matter: `make demo` (the main job on this machine) and `make test`. Each does all of
# its own set-up. The rest are their pieces.
KANAE := .venv/bin/kanae
SPEC ?= examples/reference.yaml
# One more than there are cores: many tests only wait.
WORKERS := $(shell expr $$(nproc) + 1)

.PHONY: demo demo-down test setup programs lint types unit mutations lives e2e topologies soak \
	machines

demo: setup
	tools/demo $(SPEC)

demo-down: setup
	$(KANAE) lab down $(SPEC) --yes

test: setup programs lint types unit e2e

setup:
	@tools/setup

programs:
	@tools/test-programs

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: setup
	.venv/bin/pyright

# A test that hangs is named, with where it stands, and fails alone: seconds.
unit: setup
	.venv/bin/python -m pytest -q -n $(WORKERS) --dist worksteal --timeout 300 tests/unit \
		tests/golden tests/model tests/contract tests/mutations

# Twenty thousand broken specs, bundles, answers of hosts and records; about ten minutes of one core.
# `make unit` tries the first 1,500 of them.
mutations: setup
	KANAE_MUTATIONS=20000 .venv/bin/python -m pytest -q -n auto tests/mutations \
		tests/unit/spec/test_mutations.py

# Whole lives of simulated clusters, a hundred of each topology; about half an hour of one core.
# `make unit` tries the first few.
lives: setup
	KANAE_LIVES=100 .venv/bin/python -m pytest -q -n auto tests/model/test_lives.py

# On real hosts: needs root. Builds what it needs from source when the cache is empty (15 minutes).
e2e: setup
	.venv/bin/python -m pytest -v --timeout 2400 tests/e2e tests/cluster \
		--ignore=tests/cluster/topologies \
		--ignore=tests/cluster/soak --ignore=tests/cluster/machines

# All topologies of examples/, one after the other, and their whole lives: hosts of every kind are
# replaced, one grows to three, to five and shrinks to three; about 35 minutes. Not part of
# `make test`.
topologies: setup
	.venv/bin/python -m pytest -v tests/cluster/topologies

# An apply that is killed again and again, a host that loses power in the middle, edits of a living
# cluster under load; about 15 minutes. Not part of `make test`.
soak: setup
	.venv/bin/python -m pytest -v tests/cluster/soak

# Drills on hosts that are no lab's, one of them a machine of its own (QEMU); about 50 minutes on two cores
# that do nothing else.
# Not part of `make test`.
machines: setup
	@tools/test-programs qemu-system-x86_64:qemu-system-x86 mke2fs:e2fsprogs
	.venv/bin/python -m pytest -v tests/cluster/machines
