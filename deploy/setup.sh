#!/usr/bin/env bash
# Install what a checkout needs and this machine has not; called by the Makefile, quick when nothing is missing.
#
#   deploy/setup.sh run     what vmwatch needs to run from .venv
#   deploy/setup.sh check   and the tools that check its code
#   deploy/setup.sh test    and the daemons, guests and brokers that its tests start
#   deploy/setup.sh xen     and what builds a Xen host
#
# System packages come from apt, as root or through sudo.  No service is started or enabled by their installation.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

packages=()
reasons=()
need() { # need PACKAGES REASON: ask for what the last check did not find
    read -ra names <<<"$1"
    packages+=("${names[@]}")
    reasons+=("$1: $2")
}

find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "vmwatch needs Python 3.11 or newer, and none is on the PATH (Debian 12 and Ubuntu 24.04 have one: apt install python3)"
}

need_for_running() {
    local version
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null || need "$version-venv" "makes .venv, where vmwatch's Python packages live"
    "$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
        need "lib$version-dev" "Python's headers, to compile libvirt-python"
    { has gcc && [ -e /usr/include/stdio.h ]; } || need "gcc libc6-dev" "compiles libvirt-python"
    { has pkg-config && pkg-config --exists libvirt; } || need "pkg-config libvirt-dev" "libvirt's client library, through which vmwatch sees guests"
}

need_for_testing() {
    has libvirtd || need libvirt-daemon "the tests start private libvirtds"
    has_driver qemu || need libvirt-daemon-driver-qemu "and real guests"
    has_driver lxc || need libvirt-daemon-driver-lxc "and containers"
    has virsh || need libvirt-clients "virsh asks a guest's monitor"
    has ip || need iproute2 "gives containers their network"
    has qemu-system-x86_64 || need qemu-system-x86 "runs the guests"
    { has prometheus && has promtool; } || need prometheus "the tests scrape vmwatch, and check dashboards and rules"
    has prometheus-alertmanager || need prometheus-alertmanager "gets the alerts"
    java_is_new_enough || need default-jre-headless "runs the tests' Kafka broker"
    has mvn || need maven "fetches that broker"
    has kcat || need kcat "reads from that broker as others would"
    compgen -G "/usr/lib/*/faketime/libfaketime.so.1" >/dev/null || need faketime "gives vmwatch a wrong clock"
    [ -x /usr/lib/polkit-1/polkitd ] || [ -x /usr/libexec/polkitd ] || need polkitd "refuses rights to private libvirtds' users"
    has dbus-daemon || need dbus-daemon "carries its answers"
    has openssl || need openssl "makes certificates for brokers and web servers"
}

has_driver() {
    local file="libvirt/connection-driver/libvirt_driver_$1.so"
    compgen -G "/usr/lib/*/$file" >/dev/null || compgen -G "/usr/lib*/$file" >/dev/null
}

java_is_new_enough() {
    local major
    major=$(java -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p') && [ "${major:-0}" -ge 17 ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

units() { find /lib/systemd/system /usr/lib/systemd/system -maxdepth 1 -name '*.s*' -printf '%f\n' 2>/dev/null | sort -u; }

install_packages() {
    say "missing on this machine:"
    printf '  %s\n' "${reasons[@]}" >&2
    has apt-get || fail "no apt-get here: install these packages (Debian's names) with this system's own means, then try again"
    [ "$(id -u)" = 0 ] || has sudo || fail "run as root: apt-get install --no-install-recommends ${packages[*]}"
    say "installing them with apt-get"
    local before
    before=$(units)
    keep_services_down
    as_root apt-get update -qq </dev/null || say "apt-get update failed; trying with the lists that are there"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${packages[@]}" </dev/null >/dev/null || fail "apt-get could not install: ${packages[*]}"
    disable "$before"
}

keep_services_down() { # Debian starts what it installs, unless this file says no
    [ -e /usr/sbin/policy-rc.d ] && return
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
}

disable() { # what was not there *before* shall not start with the next boot either
    local new
    mapfile -t new < <(comm -13 <(printf '%s\n' "$1") <(units))
    if [ "${#new[@]}" -gt 0 ] && has systemctl; then
        as_root systemctl disable --quiet "${new[@]}" 2>/dev/null || true
    fi
}

# A .venv made elsewhere keeps the old paths in its scripts.
venv_works() { .venv/bin/python -c '' 2>/dev/null && [ "$(cat .venv/made-at 2>/dev/null)" = "$PWD" ]; }

make_venv() {
    "$python" -m venv --clear .venv
    printf '%s' "$PWD" >.venv/made-at
}

fill_venv() { # fill_venv NAME PIP-ARGUMENTS: again whenever the checkout has moved or pyproject.toml has changed
    local name=$1 wanted
    shift
    wanted="$PWD $(cksum <pyproject.toml)"
    [ "$(cat ".venv/filled-$name" 2>/dev/null)" = "$wanted" ] && return
    say "installing Python packages into .venv"
    .venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
    .venv/bin/python -m pip install --quiet --editable . "$@"
    printf '%s' "$wanted" | tee .venv/filled-run >".venv/filled-$name"
}

case "${1-}" in run | check | test | xen) ;; *) fail "usage: deploy/setup.sh run|check|test|xen" ;; esac

venv_works || { python=$(find_python); need_for_running; }
case "$1" in test | xen) need_for_testing ;; esac
[ "$1" != xen ] || has debootstrap || need debootstrap "builds a Xen host"
[ "${#packages[@]}" = 0 ] || install_packages
venv_works || make_venv
case "$1" in
    run) fill_venv run ;;
    *) fill_venv dev --group dev ;;
esac
if [[ "$1" = test || "$1" = xen ]] && [ -e /dev/kvm ] && ! [ -w /dev/kvm ]; then
    say "/dev/kvm is closed to $(id -un), so the tests' guests run without it, slower." \
        "To use it: sudo usermod -aG kvm $(id -un), and log in again."
fi
