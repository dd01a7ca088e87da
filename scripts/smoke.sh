#!/usr/bin/env bash
# Installs the last commit as people do into a new environment, with pip, or with uv where it is on the path, and runs
# and reports a small study there, in a folder that holds modules of the packages' names. PIP_CONSTRAINT, or
# UV_CONSTRAINT, pins torch. Usage: scripts/smoke.sh PYTHON
set -euo pipefail
python=$(command -v "${1:?usage: scripts/smoke.sh PYTHON}")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git clone -q "$(dirname "$0")/.." "$place/checkout"
cd "$place/checkout"
if command -v uv >/dev/null; then
    uv venv -q --python "$python" "$place/env"
    uv pip install -q --python "$place/env/bin/python" .
else
    "$python" -m venv "$place/env"
    "$place/env/bin/pip" install -q .
fi
export PATH=$place/env/bin:$PATH OMP_NUM_THREADS=1

mkdir "$place/here"
cd "$place/here"
echo 'raise SystemExit("a module of the working folder")' | tee study.py >nsh_core.py
cat >tiny.yaml <<'YAML'
question: Does an installation work?
base: {code_length: 8, train.epochs: 2}
factors:
  sorter.name: [softsort, torchsort]
reference: {sorter.name: softsort}
YAML
nsh-study --study tiny.yaml --seeds 1
nsh-report --study tiny.yaml
nsh train --set train.epochs=1 --out hasher >/dev/null
python "$place/checkout/study/run.py" --list >/dev/null
test -s reports/tiny/report.html -a -s reports/tiny/arms.png
python - <<'PY'
import platform
from importlib.metadata import version

import torch

print(f"Python {platform.python_version()}, torch {torch.__version__}: nsh-study {version('nsh-study')} works")
PY
