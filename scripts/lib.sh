# What scripts/build, run, test and bench share: the source folder, a line to say, and missing packages installed.
#
# Sourced by bash, never run. Looking costs one dpkg-query (a few milliseconds); apt-get runs only when something is
# missing, and then says what it installs. Services of installed packages (redis-server) are not started.

set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$source_dir"

say() {
    printf '%s\n' "$*" >&2
}

# fail <exit code> <sentence>
fail() {
    say "$2"
    exit "$1"
}

# install_missing <group>...: the packages of these groups in scripts/packages.
install_missing() {
    command -v dpkg-query >/dev/null || {
        say "This is no Debian: taking for granted that what scripts/packages lists for '$*' is installed."
        return 0
    }
    local wanted missing
    wanted=$(awk -v groups=" $* " 'index(groups, " " $1 " ") { print $2 }' scripts/packages | sort -u)
    # shellcheck disable=SC2086 # a list of words
    missing=$(comm -23 <(printf '%s\n' $wanted) \
        <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
            awk '$2 == "installed" { print $1 }' | sort -u) | tr '\n' ' ')
    [[ -n $missing ]] || return 0

    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail 69 "Missing Debian packages: $missing(and no sudo). Install them as root: apt-get install $missing"
        as_root=(sudo)
    fi
    say "Installing Debian packages: $missing"
    # A policy that forbids starting services holds for this installation only, unless the machine has its own.
    local policy=/usr/sbin/policy-rc.d ours=
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
        "${as_root[@]}" chmod 755 $policy
        ours=yes
    fi
    local result=0
    # shellcheck disable=SC2086
    "${as_root[@]}" sh -c 'export DEBIAN_FRONTEND=noninteractive; apt-get -qq update >&2 || true
        apt-get -qq -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "$@" >&2' sh $missing || result=$?
    [[ -z $ours ]] || "${as_root[@]}" rm -f $policy
    ((result == 0)) || fail 69 "apt-get could not install: $missing(see above). Install them by hand, then try again."
    if [[ " $missing" == *" redis-server "* ]] && command -v systemctl >/dev/null; then
        "${as_root[@]}" systemctl disable redis-server >/dev/null 2>&1 || true
    fi
}

# configure <preset>: once; afterwards ninja itself notices what has changed.
configure() {
    if [[ ! -e build/$1/build.ninja ]]; then
        say "Configuring build/$1"
        local output
        output=$(cmake --preset "$1" 2>&1) || {
            say "$output"
            return 1
        }
    fi
}
