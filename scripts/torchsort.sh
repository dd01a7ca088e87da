#!/usr/bin/env bash
# Builds torchsort, which has no wheel, against the torch already installed: with its CUDA kernels where
# they build, else with the CPU ones. With pip, or with uv where it made the environment.
# Usage: scripts/torchsort.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
py=${1:-$PWD/.venv/bin/python}
export PIP_CONSTRAINT=$PWD/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1
log=$(mktemp)
shadow=$(mktemp -d)
trap 'rm -rf "$log" "$shadow"' EXIT

"$py" -c 'import torchsort' 2>/dev/null && exit 0
pip=("$py" -m pip install --no-cache-dir --force-reinstall)
"$py" -m pip --version >/dev/null 2>&1 || pip=(uv pip install --no-config --python "$py" --no-cache --reinstall -c constraints.txt)
build() { "${pip[@]}" -q --no-build-isolation --no-deps torchsort >"$log" 2>&1; }

if "$py" -c 'import sys, torch; sys.exit(torch.version.cuda is None)' && command -v nvcc >/dev/null && build; then
    exit 0
fi

# Its setup.py compiles for CUDA whenever it sees nvcc, so each folder of PATH that holds one is shadowed.
path=
count=0
IFS=:
for folder in $PATH; do
    if [ -e "$folder/nvcc" ]; then
        count=$((count + 1))
        mkdir "$shadow/$count"
        ln -s "$folder"/* "$shadow/$count/" && rm "$shadow/$count/nvcc"
        folder=$shadow/$count
    fi
    path=${path:+$path:}$folder
done
unset IFS
if ! PATH=$path CUDA_HOME= build; then
    tail -n 5 "$log" >&2
    echo "warning: torchsort could not be built; every other backend works. Try again: scripts/torchsort.sh $py" >&2
    exit 1
fi
