#!/bin/sh
# Installs lockstep-replicate as a program and a systemd service, or removes it.
#
#   scripts/install.sh [options] [-- OPTIONS OF LOCKSTEP-REPLICATE…]
#
#   --executable FILE   what to install (default: ./lockstep-replicate)
#   --prefix DIR        install to DIR/bin (default: /usr/local)
#   --template          install lockstep-replicate@.service instead: one service for each
#                       /etc/lockstep-replicate/NAME.env
#   --yes               overwrite without asking
#   --uninstall         remove the program and the units; environment files and data stay
#   --purge             with --uninstall: remove those too
#
# DESTDIR=DIR puts everything below DIR and leaves the running system alone, for packagers.
# A file that is there with the same contents is left as it is.
set -eu

name=lockstep-replicate
executable=./$name
prefix=/usr/local
yes='' template='' uninstall='' purge=''
root=${DESTDIR:-}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

say() {
  printf '%s\n' "$1"
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
}

while [ $# -gt 0 ]; do
  case $1 in
    --executable | --prefix)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      if [ "$1" = --prefix ]; then prefix=$2; else executable=$2; fi
      shift
      ;;
    --executable=*) executable=${1#*=} ;;
    --prefix=*) prefix=${1#*=} ;;
    --template) template=--template ;;
    --yes) yes=yes ;;
    --uninstall) uninstall=yes ;;
    --purge) purge=yes ;;
    --help | -h)
      usage
      exit 0
      ;;
    --)
      shift
      break
      ;;
    *) fail "unknown option $1; try --help" 2 ;;
  esac
  shift
done

case $prefix in
  /*) prefix=${prefix%/} ;;
  *) fail "--prefix $prefix: give a path that begins with /" 2 ;;
esac
# It becomes part of a unit's command line.
case $prefix in
  *[!A-Za-z0-9/._+-]*) fail "--prefix $prefix: give a path of plain characters" 2 ;;
esac
[ -z "$purge" ] || [ -n "$uninstall" ] || fail "--purge goes with --uninstall" 2

bin=$root$prefix/bin/$name
units=$root/etc/systemd/system
settings=$root/etc/$name

# Asks; a script that nobody watches must say --yes.
may() {
  [ -z "$yes" ] || return 0
  [ -t 0 ] || fail "$1, and nobody is there to be asked: say --yes"
  printf '%s: go on? [y/N] ' "$1"
  read -r answer || answer=''
  case $answer in
    [yY] | [yY][eE][sS]) ;;
    *) return 1 ;;
  esac
}

# Puts file $1 at $2 with mode $3, by a rename: what is running is never written into.
put() {
  if [ -e "$2" ]; then
    if cmp -s "$1" "$2"; then
      say "unchanged  $2"
      return 0
    fi
    may "$2 is there already and would be overwritten" || {
      say "kept       $2"
      return 0
    }
  fi
  mkdir -p "$(dirname "$2")"
  rm -f "$2.new"
  (umask 077 && cp "$1" "$2.new")
  chmod "$3" "$2.new"
  mv -f "$2.new" "$2"
  say "installed  $2"
}

take_away() {
  # A link whose target is gone is there as well.
  [ -e "$1" ] || [ -L "$1" ] || return 0
  rm -rf "$1"
  say "removed    $1"
}

# Lets the service replace files in a folder. Whoever may do that in /etc may do anything.
open_folder() {
  case $1 in
    /*[!/]/*[!/]*) ;;
    *) fail "the service may not write to $1: name a file in a folder of its own" 2 ;;
  esac
  mkdir -p "$1"
  if [ -n "$(ls -A "$1")" ] && [ "$(stat -c %G "$1")" != "$name" ]; then
    may "the service would be allowed to replace every file in $1" || {
      say "kept       $1: the service can't write there"
      return 0
    }
  fi
  chgrp "$name" "$1"
  chmod g+rwx "$1"
  say "opened     $1 to the group $name: the service replaces files there"
}

systemd() {
  [ -z "$root" ] && [ -d /run/systemd/system ] || return 0
  systemctl "$@"
}

if [ -n "$uninstall" ]; then
  if [ -n "$purge" ]; then
    may "the settings and every replicated row below $root/var/lib/$name would be removed" || exit 1
  fi
  changed=$name-changed
  for unit in "$name.timer" "$changed.path" "$changed.service" "$name.service"; do
    [ -e "$units/$unit" ] || continue
    systemd disable --now "$unit" 2>/dev/null || :
    take_away "$units/$unit"
  done
  for unit in "$name@.timer" "$name@.service"; do
    [ -e "$units/$unit" ] || continue
    systemd stop "$name@*.${unit##*.}" || :
    take_away "$units/$unit"
  done
  # Links of units that were enabled, instances among them, and what systemd remembers of failures.
  for link in "$units"/*.wants/"$name.service" "$units"/*.wants/"$name.timer" \
    "$units"/*.wants/"$changed.path" "$units"/*.wants/"$name@"*; do take_away "$link"; done
  systemd daemon-reload
  systemd reset-failed "$name*" 2>/dev/null || :
  take_away "$bin"
  for folder in "$root/var/cache/private/$name" "$root/var/cache/$name" \
    "$root/var/cache/private/$name@"* "$root/var/cache/$name@"*; do take_away "$folder"; done
  if [ -n "$purge" ]; then
    for folder in "$settings" "$root/var/lib/private/$name" "$root/var/lib/$name" \
      "$root/var/lib/private/$name@"* "$root/var/lib/$name@"* "$units/$name.service.d" \
      "$units/$name@"*.service.d; do take_away "$folder"; done
    if [ -z "$root" ] && id "$name" >/dev/null 2>&1; then
      userdel "$name" 2>/dev/null && say "removed    the user $name" || :
    fi
  else
    for kept in "$settings" "$root/var/lib/$name" "$root/var/lib/$name@"*; do
      [ ! -e "$kept" ] || say "kept       $kept"
    done
    [ -n "$root" ] || ! id "$name" >/dev/null 2>&1 || say "kept       the user $name"
  fi
  exit 0
fi

[ -f "$executable" ] || fail "there is no $executable: build it with 'deno task compile', or say --executable FILE"
case $executable in */*) ;; *) executable=./$executable ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Before anything is changed: does it run here, and what is the unit?
"$executable" unit $template "$@" >"$work/unit" || fail "$executable can't print a unit"
sed "s|^ExecStart=/usr/local/bin/|ExecStart=$prefix/bin/|" "$work/unit" >"$work/service"
cat >"$work/env" <<'END'
# Options of lockstep-replicate as environment variables: --poll 5s is LOCKSTEP_POLL=5s. What the
# unit has on its command line wins. Secrets belong here: only root may read this file.
#LOCKSTEP_URL=https://user:password@origin.example/servers
END
# Secrets that were given here are in neither unit nor file: their lines wait for them.
sed -n '1,/^\[Unit\]/s/^#   \(LOCKSTEP_[A-Z_]*=.*\)/#\1/p' "$work/service" >"$work/secrets"
cat "$work/secrets" >>"$work/env"

put "$executable" "$bin" 755
if [ -n "$template" ]; then
  unit=$name@.service
  env=$settings/example.env.sample
else
  unit=$name.service
  env=$settings/$name.env
fi
put "$work/service" "$units/$unit" 644
for mark in path changed; do
  sed -n "s/^#$mark| \{0,1\}//p" "$work/service" >"$work/$mark"
done
if [ -s "$work/path" ]; then
  put "$work/path" "$units/$name-changed.path" 644
  put "$work/changed" "$units/$name-changed.service" 644
fi
mkdir -p "$settings"
if [ -e "$env" ]; then
  # It holds somebody's secrets: never overwritten.
  say "kept       $env"
else
  put "$work/env" "$env" 600
fi

# A unit that writes outside of its own folders has a fixed user, whose group may write there.
if [ -z "$root" ] && grep -q "^User=$name$" "$work/service"; then
  if ! id "$name" >/dev/null 2>&1; then
    useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "$name"
    say "made       the user $name"
  fi
  sed -n "s/^#   chgrp $name //p" "$work/service" >"$work/folders"
  while read -r folder <&3; do open_folder "$folder"; done 3<"$work/folders"
fi
systemd daemon-reload

if [ -n "$template" ]; then
  # Until 0.1.0 the instances' folders were inside the plain unit's.
  for old in "$root/var/lib/private/$name"/*/replica.kv; do
    [ -e "$old" ] || continue
    instance=$(basename "$(dirname "$old")")
    say "Note: while $name@$instance is stopped, its rows move to their new place by:"
    say "  mv $root/var/lib/private/$name/$instance $root/var/lib/private/$name@$instance"
  done
  say "Next: write /etc/$name/NAME.env (mode 600), then: systemctl enable --now $name@NAME"
  exit 0
fi
if [ -s "$work/secrets" ]; then
  say "Left out   what holds a secret; put it into /etc/$name/$name.env:"
  sed 's/^#/             /' "$work/secrets"
fi
start="systemctl enable --now $name"
[ ! -s "$work/path" ] || start="$start $name-changed.path"
if grep -q '^#|' "$work/service"; then
  sed -n 's/^#| \{0,1\}//p' "$work/service" >"$work/timer"
  put "$work/timer" "$units/$name.timer" 644
  systemd daemon-reload
  start="systemctl enable --now $name.timer"
fi
if grep -q '^EnvironmentFile=-' "$work/service"; then
  say "Next: $start"
else
  say "Next: edit /etc/$name/$name.env, then: $start"
fi
