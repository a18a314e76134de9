#!/bin/sh
# Put nginx and Caddy on this machine for the tests of gateways (make test-gateways).
# Both come from Debian's packages and are not started: this script fails where it cannot.
set -eu

if command -v nginx >/dev/null 2>&1 && command -v caddy >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests of gateways need nginx and caddy, and one is not on the PATH." >&2
    echo "Install both packages of your system (as root: apt-get install nginx caddy)." >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Where there is no policy for services, the packages would start servers.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get install -y -qq --no-install-recommends nginx caddy >/dev/null
for program in nginx caddy; do
    command -v "$program" >/dev/null 2>&1 || {
        echo "apt-get installed its packages, but no '$program' is on the PATH." >&2
        exit 1
    }
done
