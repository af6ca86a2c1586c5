#!/bin/busybox sh
# The only process of a guest: does what `act=` on its kernel's command line says, after a moment.
/bin/busybox mount -t proc none /proc
act=$(/bin/busybox sed -n 's/.*act=\([a-z]*\).*/\1/p' /proc/cmdline)
/bin/busybox sleep 1
case "$act" in
    poweroff) /bin/busybox poweroff -f ;;
    reboot) /bin/busybox reboot -f ;;
    panic) echo c >/proc/sysrq-trigger ;;
esac
while :; do /bin/busybox sleep 1000; done
