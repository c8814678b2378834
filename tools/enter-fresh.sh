#!/bin/sh
# usage: enter-fresh.sh ROOT COMMAND
# Run a shell command in the system under ROOT. test_fresh.py calls it in namespaces of its own: the mounts
# are seen by these processes alone, and the kernel undoes them when the last one has ended, however it ends.
set -eu
ROOT=$1
COMMAND=$2

# A mount point of its own, as a system's root is: without it nothing in there can change how mounts are shared.
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t sysfs -o ro sysfs "$ROOT/sys"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mount -t tmpfs tmpfs "$ROOT/dev"
mkdir -p "$ROOT/dev/pts" "$ROOT/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$ROOT/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
# Nodes of its own: what root does to one in there, such as chmod, does not reach this machine's.
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$ROOT/dev/${device%%:*}" c 1 "${device##*:}"
done
mknod -m 666 "$ROOT/dev/tty" c 5 0
ln -s pts/ptmx "$ROOT/dev/ptmx"
ln -s /proc/self/fd "$ROOT/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${number%%:*}" "$ROOT/dev/${number##*:}"
done
# The root of this mount namespace, not a chroot's: a process that enters the namespace of another one comes to
# the namespace's root, which in a chroot is this machine's. The old root is on top of it, and then unmounted.
cd "$ROOT"
pivot_root . .
umount -l .
# Not exec: this shell is the first process of its namespace, which must reap what loses its parent.
env -i HOME=/root USER=root LOGNAME=root TERM=dumb LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c "cd /root && $COMMAND"
