#!/usr/bin/env bash
# A Chromium for the browser tests: Debian's, where this user may install it; they skip without one.
set -euo pipefail
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -o DPkg::Lock::Timeout=120 update -qq && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq chromium >/dev/null && exit 0
fi
echo "warning: no chromium found; the browser tests skip. Install it: apt-get install chromium" >&2
