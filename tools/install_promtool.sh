#!/bin/sh
# Put promtool on this machine for the tests of the alert rules (make test-gateways).
# It comes with Debian's prometheus, which is not started: this script fails where it cannot.
set -eu

if command -v promtool >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests of the alert rules need promtool, and it is not on the PATH." >&2
    echo "Install the package 'prometheus' of your system (as root: apt-get install prometheus)." >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Where there is no policy for services, the package would start a server.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get install -y -qq --no-install-recommends prometheus >/dev/null
command -v promtool >/dev/null 2>&1 || {
    echo "apt-get installed prometheus, but no 'promtool' is on the PATH." >&2
    exit 1
}
