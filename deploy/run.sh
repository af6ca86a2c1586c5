#!/usr/bin/env bash
# Start the vmwatch of this checkout on what there is to watch; `make run` calls it and passes its arguments on.
#
# That is ./vmwatch.toml where there is one, else the local hypervisor if it answers, else the demonstration.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'make run: %s\n' "$*" >&2; }

uri_that_answers() { # uri_that_answers [URI]: print it (libvirt's default URI, where none is given) if it can be opened
    timeout 5 .venv/bin/python -c 'import sys, libvirt; print(libvirt.openReadOnly(*sys.argv[1:]).getURI())' "$@" 2>/dev/null
}

for argument in "$@"; do
    case "$argument" in --config.file* | --libvirt.uri* | -h | --help) exec .venv/bin/vmwatch run "$@" ;; esac
done
if [ -e vmwatch.toml ]; then
    say "watching what vmwatch.toml says"
    exec .venv/bin/vmwatch run --config.file=vmwatch.toml "$@"
elif uri=$(uri_that_answers qemu:///system || uri_that_answers); then
    say "watching $uri, the hypervisor of this machine"
    exec .venv/bin/vmwatch run --libvirt.uri="$uri" "$@"
fi
say "no hypervisor answers here: watching a demonstration"
exec .venv/bin/vmwatch demo "$@"
