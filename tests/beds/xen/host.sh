#!/bin/bash
# The first process of the Xen host: brings up Xen's daemons and a libvirtd that listens on all addresses.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
tools=/usr/lib/xen-4.17/bin

mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/pts
mount -t devpts none /dev/pts
for folder in /run /tmp; do mount -t tmpfs none "$folder"; done
mount -t cgroup2 none /sys/fs/cgroup
mount -t xenfs none /proc/xen
mount -o remount,rw /
hostname xen-host
for module in e1000 xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-netback xen-blkback; do modprobe "$module"; done

until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done # QEMU's user network: always these addresses
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2

mkdir -p /run/lock /run/xen /run/xenstored /run/libvirt /var/log/xen /var/log/libvirt /var/lib/xen/dump
"$tools/oxenstored" --pid-file /run/xenstored.pid
until xenstore-read / >/dev/null 2>&1; do sleep 0.1; done
"$tools/xen-init-dom0"
"$tools/xenconsoled" --pid-file=/run/xenconsoled.pid
cat >/etc/libvirt/libvirtd.conf <<'CONFIGURATION'
listen_tls = 0
listen_tcp = 1
listen_addr = "0.0.0.0"
auth_tcp = "none"
CONFIGURATION
virtlogd --daemon
libvirtd --daemon --listen
until (exec 3<>/dev/tcp/127.0.0.1/16509) 2>/dev/null; do sleep 0.1; done
echo 'xen-host is ready' >/dev/console
exec sleep infinity
