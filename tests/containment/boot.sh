#!/bin/sh
# Makes the folder $1 the root of a machine of its own, and systemd its first process. Called in fresh namespaces.
# What is mounted here is gone with them. The caller gives the network first, and says so on standard input.
set -eu
root=$1 python=$2 packages=$3 source=$4
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 "$root/dev/tty" c 5 0
mount --bind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
mount --bind "$root/local" "$root/usr/local"
for pair in "$python:python" "$packages:ringwall/packages" "$source:ringwall/source"; do
  mount --bind "${pair%:*}" "$root/opt/${pair#*:}"
  mount -o remount,bind,ro "$root/opt/${pair#*:}"
done
read -r _
ip link set lo up
ip link set host0 up
ip address add 198.51.100.2/24 dev host0
ip route add default via 198.51.100.1
hostname dev-1
cd "$root"
pivot_root . old
exec chroot . /usr/bin/env -i container=ringwall PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin \
  /bin/sh -c 'umount -l /old; exec /lib/systemd/systemd --unit=basic.target --log-target=console --show-status=no' \
  < /dev/null
