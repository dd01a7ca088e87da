#!/usr/bin/env bash
# Makes or updates the virtual environment. Usage: scripts/env.sh run|docs|dev
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:?usage: scripts/env.sh run|docs|dev}
stamp=.venv/.installed-$kind
want=$(cat pyproject.toml constraints.txt scripts/env.sh nsh_core/compiled.py nsh_core/fused/*.py nsh_core/metrics/*.py | sha256sum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0

base=${PYTHON:-python3}
"$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: $("$base" --version 2>&1) found, Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11" >&2
    exit 2
}
[ -x .venv/bin/python ] || "$base" -m venv .venv
py=$PWD/.venv/bin/python
export PIP_CONSTRAINT=$PWD/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1

"$py" -m pip install -q --upgrade pip setuptools setuptools-scm wheel
"$py" -m pip install -q torch numpy
requirements=$(mktemp)
trap 'rm -f "$requirements"' EXIT
"$py" - "$kind" >"$requirements" <<'PY'
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
groups = {"run": [], "docs": ["docs"], "dev": ["docs", "dev"]}[sys.argv[1]]
print(*project["dependencies"], *(one for group in groups for one in project["optional-dependencies"][group]), sep="\n")
PY
"$py" -m pip install -q -r "$requirements"
scripts/torchsort.sh "$py" || true
# For the tests alone and without their dependencies, which would take another torch; users install .[vision].
[ "$kind" != dev ] || "$py" -m pip install -q --no-deps torchvision timm
"$py" -m pip install -q --no-deps --no-build-isolation -e .
"$py" -m nsh_core.fused
echo "$want" >"$stamp"
