#!/bin/sh
# Put programs on this machine for tests that run the real thing:
#   install_packages.sh "The tests of gateways" nginx caddy promtool=prometheus
# Each is PROGRAM, or PROGRAM=PACKAGE where Debian's package has another name. None is started, and
# this script fails where it cannot install one.
set -eu

for_whom=$1
shift

# PostgreSQL's own programs lie beside the PATH, by version.
is_there() {
    command -v "$1" >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/"$1" >/dev/null 2>&1
}

packages=
for wanted in "$@"; do
    is_there "${wanted%%=*}" || packages="$packages ${wanted#*=}"
done
packages=${packages# }
if [ -z "$packages" ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "$for_whom need $packages, which this machine does not have." >&2
    echo "Install the packages of your system (as root: apt-get install $packages)." >&2
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
# shellcheck disable=SC2086  # several words on purpose
apt-get install -y -qq --no-install-recommends $packages >/dev/null
for wanted in "$@"; do
    is_there "${wanted%%=*}" || {
        echo "apt-get installed $packages, but there is no '${wanted%%=*}'." >&2
        exit 1
    }
done
