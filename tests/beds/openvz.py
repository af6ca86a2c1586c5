"""OpenVZ's programs and files, as far as libvirt's driver looks at them, in a mount namespace of their own.

libvirt wants /proc/vz, /etc/vz/conf and vzlist and vzctl in /usr/sbin.  So a program that uses libvirt is started in a
namespace where these are; a container is a configuration file and a file with its state, to be changed by whoever
plays the administrator.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.beds.program import NotInstalledError

_VZLIST = """\
#!/bin/sh
# vzlist [-a | -S] [CONTAINER] -oCOLUMNS -H
wanted=running container='*'
for word in "$@"; do
    case "$word" in
        -a) wanted= ;;
        -S) wanted=stopped ;;
        -o*) columns=${word#-o} ;;
        [0-9]*) container=$word wanted= ;;
    esac
done
cd {folder}/states
for file in $container; do
    state=$(cat "$file")
    case "$wanted" in "" | "$state") ;; *) continue ;; esac
    case "$columns" in
        status) echo "$state" ;;
        *status*) printf '%10s %s\\n' "$file" "$state" ;;
        *) printf '%10s\\n' "$file" ;;
    esac
done
"""
_VZCTL = """\
#!/bin/sh
echo "vzctl version 4.9.4"
"""
_CONTAINER = """\
#UUID: 00000000-0000-4000-8000-{number:012d}
OSTEMPLATE="debian-12"
CPUS="1"
PHYSPAGES="0:65536"
IP_ADDRESS=""
"""

_ENTER = """
layers={folder}/layers
mount -t tmpfs none "$layers"
for place in etc usr/sbin; do
    mkdir -p "$layers/$place/upper" "$layers/$place/work"
    mount -t overlay -o "lowerdir=/$place,upperdir=$layers/$place/upper,workdir=$layers/$place/work" none "/$place"
done
cp {folder}/vzlist {folder}/vzctl /usr/sbin
mkdir -p /etc/vz
ln -s {folder}/conf /etc/vz/conf
touch /etc/vz/vz.conf
mkdir -p "$layers/real" "$layers/proc"
mount --bind /proc "$layers/real"
for entry in /proc/*; do
    ln -s "$layers/real/${{entry##*/}}" "$layers/proc"
done
ln -s {folder}/vz "$layers/proc/vz"
mount --bind "$layers/proc" /proc
exec "$@"
"""


class Containers:
    """An OpenVZ host in *folder*; `command` makes a command see it."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0:
            raise NotInstalledError("OpenVZ's stand-in needs root, for a mount namespace")
        self._folder = folder
        for name in ("conf", "states", "layers", "vz"):
            (folder / name).mkdir()
        for name, text in (("vzlist", _VZLIST.replace("{folder}", str(folder))), ("vzctl", _VZCTL)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        answer = subprocess.run(self.command("true"), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise NotInstalledError(f"no namespace for OpenVZ's stand-in: {answer.stderr.strip()}")

    def command(self, *command: str) -> Sequence[str]:
        """Return what has to be run for *command* to find itself on the OpenVZ host."""
        enter = _ENTER.format(folder=self._folder)
        return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", enter, "sh", *command]

    def set(self, number: int, state: str) -> None:
        """Have container *number*, a new one or not, be `running` or `stopped` from now on."""
        (self._folder / "conf" / f"{number}.conf").write_text(_CONTAINER.format(number=number))
        new = self._folder / "new"
        new.write_text(f"{state}\n")
        new.replace(self._folder / "states" / f"{number}")

    def tell_cpu_time(self, number: int, jiffies: int) -> None:
        """Have the kernel know the CPU time of container *number*; of others it does not."""
        head = "Version: 2.2\n VEID user nice system uptime idle strv uptime used maxlat totlat numsched\n"
        (self._folder / "vz" / "vestat").write_text(f"{head} {number} {jiffies} 0 0 {jiffies} 0 0 0 {jiffies} 0 0 0\n")
