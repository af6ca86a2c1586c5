#!/usr/bin/env bash
# Make in FOLDER what boots as a Xen host with libvirt: xen, kernel, initrd and disk.img; needs root and debootstrap.
#
#   unshare --mount --pid --fork tests/beds/xen/build.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
root=$folder/root
guest=$root/guest
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

debootstrap --variant=minbase --include=busybox-static,cpio,initramfs-tools,iproute2,kmod,linux-image-amd64,udev \
    bookworm "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # nothing is started in here
chmod 755 "$root/usr/sbin/policy-rc.d"
chroot "$root" apt-get update -qq
chroot "$root" apt-get install -qq -y --no-install-recommends \
    libvirt-clients libvirt-daemon libvirt-daemon-driver-xen netbase qemu-system-xen \
    xen-hypervisor-4.17-amd64 xen-utils-4.17 xen-utils-common xenstore-utils
# Without their users and services libvirtd does not start with these.
rm -f "$root"/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_{interface,network,nwfilter,qemu}.so
install -m 755 "$here/host.sh" "$root/host.sh"

mkdir -p "$guest/root/bin" "$guest/root/proc" "$guest/root/dev"
cp "$root/bin/busybox" "$guest/root/bin/busybox"
install -m 755 "$here/guest.sh" "$guest/root/init"
chroot "$root" sh -c 'cd /guest/root && find . | cpio --quiet --create --format=newc | gzip >/guest/initrd'
cp "$root"/boot/vmlinuz-* "$guest/kernel"
rm -r "$guest/root"

zcat "$root/boot/xen-4.17-amd64.gz" >"$folder/xen"
cp "$root"/boot/vmlinuz-* "$folder/kernel"
cp "$root"/boot/initrd.img-* "$folder/initrd"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
umount --recursive "$root/dev" "$root/proc"
truncate -s 2500M "$folder/disk.img"
mke2fs -q -t ext4 -F -d "$root" "$folder/disk.img"
rm -rf "$root"
