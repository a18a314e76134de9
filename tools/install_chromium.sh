#!/bin/sh
# Put Chromium on this machine for the tests that open the dossier (make test-browser).
# The browser is a component of the system: this script fails where it cannot install it.
set -eu

if command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The browser tests need Chromium, and it is not on the PATH." >&2
    echo "Install the package 'chromium' of your system (as root: apt-get install chromium)." >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
command -v chromium >/dev/null 2>&1 || {
    echo "apt-get installed chromium, but no 'chromium' is on the PATH." >&2
    exit 1
}
