# This checkout in /opt/nsh-study, its commands on the path, torch pinned and torchsort compiled: docs/install.md.
# CPU:  docker build -t nsh-study .
# CUDA: docker build -t nsh-study --build-arg BASE=nvidia/cuda:13.0.2-devel-ubuntu24.04 --build-arg TORCH_INDEX= .
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# Beside PyPI, whose torch is a CUDA build.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# What torchsort's kernels are compiled for: no GPU is seen while an image is built.
ARG TORCH_CUDA_ARCH_LIST="8.0;8.6;8.9;9.0;10.0;12.0+PTX"

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ git \
    && if ! command -v python3; then apt-get install -y --no-install-recommends python3-dev python3-venv; fi \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/nsh-study
COPY . .
RUN PIP_NO_CACHE_DIR=1 PIP_EXTRA_INDEX_URL=$TORCH_INDEX scripts/env.sh run
ENV PATH=/opt/nsh-study/.venv/bin:$PATH

WORKDIR /work
CMD ["nsh-study", "--list"]
