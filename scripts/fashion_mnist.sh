#!/usr/bin/env bash
# Fashion-MNIST for its test: Debian's package, where this user may install it; the test skips without it.
set -euo pipefail
[ -d /usr/share/datasets/fashion-mnist ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -o DPkg::Lock::Timeout=120 update -qq && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq dataset-fashion-mnist >/dev/null && exit 0
fi
echo "warning: no Fashion-MNIST found; its test skips. Install it: apt-get install dataset-fashion-mnist" >&2
