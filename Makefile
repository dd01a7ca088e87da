PY := .venv/bin/python
STORAGE := results/optuna.journal

.PHONY: env dev study test docs numbers notebooks screenshots reference dashboard

env:
	@scripts/env.sh run

dev:
	@scripts/env.sh dev
	@scripts/chromium.sh
	@scripts/fashion_mnist.sh

study: env
	$(PY) study/run.py --study sorter_ablation
	$(PY) study/report.py --study sorter_ablation

docs:
	@scripts/env.sh docs
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet
	@echo "the site is in site/: open site/index.html"

# What pages quote of tables is committed: after a change of tables.
numbers: env
	$(PY) -m study.reporting.quoted README.md docs

# Their output is committed: after a change of one.
notebooks: dev
	$(PY) -m docs.making.notebooks

# Of reports, for the site, committed: after a change of how they look.
screenshots: dev
	$(PY) -m docs.making.screenshots

# All parts, or some: make reference PARTS="digits-sorters digits-bits"
reference: env
	$(PY) scripts/reference.py $(PARTS)

test: dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(PY) -m pytest --numprocesses 2

dashboard: env
	@test -f $(STORAGE) || { echo "error: no $(STORAGE) yet: run a study first, e.g. make study" >&2; exit 2; }
	.venv/bin/optuna-dashboard $(STORAGE) --artifact-dir results/artifacts
