#!/bin/sh
# Put Redis, Valkey and PostgreSQL on this machine for the tests of stores (make test-stores).
# All come from Debian's packages and are not started: this script fails where it cannot.
set -eu

has_postgresql() {
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

if command -v redis-server >/dev/null 2>&1 && command -v valkey-server >/dev/null 2>&1 && has_postgresql; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests of stores need redis-server, valkey-server and PostgreSQL's server, and one is missing." >&2
    echo "Install the packages of your system (as root: apt-get install redis-server valkey-server postgresql)." >&2
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
apt-get install -y -qq --no-install-recommends redis-server valkey-server postgresql >/dev/null
for program in redis-server valkey-server; do
    command -v "$program" >/dev/null 2>&1 || {
        echo "apt-get installed its packages, but no '$program' is on the PATH." >&2
        exit 1
    }
done
has_postgresql || {
    echo "apt-get installed its packages, but there is no initdb of PostgreSQL." >&2
    exit 1
}
