#!/bin/sh
# Places the files of host tools-1 below /, and does nothing else: it makes no user, starts nothing and reads no secret.
#   ./install.sh --dry-run   say what would be placed
#   ./install.sh             place it
#   ./install.sh --undo      take it away again; what stood there before comes back
#   --root DIR               below DIR instead of /
set -eu

undo=no dry=no root=
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=yes ;;
    --undo) undo=yes ;;
    --root) [ $# -gt 1 ] || { echo "error: --root names no folder" >&2; exit 2; }; root=${2%/}; shift ;;
    -h|--help) sed -n '2,6s/^# *//p' "$0"; exit 0 ;;
    *) echo "error: there is no option $1; see ./install.sh --help" >&2; exit 2 ;;
  esac
  shift
done
if [ -n "$root" ] && [ ! -d "$root" ]; then echo "error: $root is no folder" >&2; exit 2; fi
cd "$(dirname "$0")"

say() { if [ $dry = yes ]; then echo "would $1 $2"; else echo "$1 $2"; fi; }

place() {
  target=$root$2
  if [ -L "$target" ]; then echo "error: $target is a link, which is left alone; remove it first" >&2; exit 1; fi
  if [ -f "$target" ] && cmp -s "root$2" "$target"; then
    echo "in place $target"
    [ $dry = yes ] || chmod "$1" "$target"
    return
  fi
  if [ -e "$target" ]; then say replace "$target"; else say place "$target"; fi
  [ $dry = no ] || return 0
  mkdir -p "$(dirname "$target")"
  # What stood there before Ringwall is kept once, so that --undo brings that back and no earlier version of these files.
  if [ -e "$target" ] && [ ! -e "$target.ringwall-placed" ]; then cp -p "$target" "$target.before-ringwall"; fi
  cp "root$2" "$target.ringwall-new"
  chmod "$1" "$target.ringwall-new"
  cksum < "root$2" > "$target.ringwall-placed"
  mv "$target.ringwall-new" "$target"
}

take_away() {
  target=$root$2
  if [ ! -e "$target.ringwall-placed" ]; then echo "not placed by this script: $target"; return; fi
  if [ -e "$target" ] && [ "$(cksum < "$target")" != "$(cat "$target.ringwall-placed")" ]; then
    echo "changed since, left alone: $target"
    return
  fi
  if [ -e "$target.before-ringwall" ]; then say restore "$target"; else say remove "$target"; fi
  [ $dry = no ] || return 0
  rm -f "$target" "$target.ringwall-placed"
  if [ -e "$target.before-ringwall" ]; then mv "$target.before-ringwall" "$target"; fi
}

each() {
  "$1" 0644 /etc/ringwall/kong.conf
  "$1" 0644 /etc/ringwall/prometheus.yml
  "$1" 0644 /etc/systemd/system/ringwall-cloudflared-prod.models.service
  "$1" 0644 /etc/systemd/system/ringwall-cloudflared-prod.tickets.service
  "$1" 0644 /etc/systemd/system/ringwall-guard.service
  "$1" 0644 /etc/systemd/system/ringwall-kong.service
  "$1" 0644 /etc/systemd/system/ringwall-port-prod.tickets.service
  "$1" 0644 /etc/systemd/system/ringwall-port-prod.tickets.socket
  "$1" 0644 /etc/systemd/system/ringwall-server-prod.tickets.service
  "$1" 0644 /etc/sysusers.d/ringwall.conf
  "$1" 0644 /etc/tmpfiles.d/ringwall.conf
}

if [ $undo = yes ]; then each take_away; else each place; fi
