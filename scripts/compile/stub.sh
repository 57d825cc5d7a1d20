#!/bin/sh
# lockstep-replicate @VERSION@ (@COMMIT@), self-extracting, for @SYSTEM@ @MACHINE@.
#
# Behind this script follow, each gzipped, the program and the Deno runtime. The first start
# unpacks both into a cache folder, file by file, each written under a name of its own and then
# renamed: any number of first starts may run at once, and one that is killed leaves only a
# leftover that the next one removes. The names carry the contents' hash, so versions live side by
# side. Later starts look at owner, mode and size, and exec.
#
# Cache folder: LOCKSTEP_CACHE_DIR and nothing else where that is set; otherwise the first of
# these that works: CACHE_DIRECTORY (systemd's), XDG_CACHE_HOME/lockstep-replicate,
# HOME/.cache/lockstep-replicate, STATE_DIRECTORY/.cache, TMPDIR/lockstep-replicate-UID.
# A folder works where neither it nor any above it can be changed by another user.
# Exit status 71: it can't be unpacked or can't run here.
#
# Needs sh, gzip and coreutils (or busybox).

name=lockstep-replicate
system=@SYSTEM@
machine=@MACHINE@
loader=@LOADER@
whole=@WHOLE_SIZE@
program=@PROGRAM_NAME@
program_end=@PROGRAM_END@
program_packed=@PROGRAM_PACKED@
program_size=@PROGRAM_SIZE@
runtime=@RUNTIME_NAME@
runtime_start=@RUNTIME_START@
runtime_size=@RUNTIME_SIZE@
noexec='programs may not be run from there (noexec)'
damaged='this executable is damaged: fetch it again'

fail() {
  printf '%s: %s\n' "$name" "$1" >&2
  exit 71
}

# The reason in an error message of mkdir, mktemp, gzip, …
reason() {
  case $1 in
    *'No space left'* | *'quota exceeded'*) echo 'no space left' ;;
    *'Read-only'* | *'read-only'*) echo 'read-only' ;;
    *'ermission denied'*) echo 'no permission to write' ;;
    *'Not a directory'* | *'File exists'*) echo 'not a folder' ;;
    *'nexpected end'* | *crc* | *'corrupt'* | *'invalid'* | *'not in gzip'*)
      echo "$damaged" ;;
    *) printf '%s\n' "${1##*: }" | tail -n 1 ;;
  esac
}

# The next line of an `ls -ln`: succeeds when its mode matches the pattern $1, it is owned by this
# user or root, and nobody else may write to it. Leaves $size and $rest.
safe() {
  read -r mode _ owner _ size rest || return 1
  # shellcheck disable=SC2254 # a pattern is what is given
  case $mode in $1) ;; *) return 1 ;; esac
  case $mode in ?????-??-*) ;; *) return 1 ;; esac
  case $owner in 0 | "$uid") ;; *) return 1 ;; esac
}

# Lines of `ls -ln` on stdin: succeeds when they are the plain, safe files "$@" (names and sizes).
sound() {
  while [ $# -gt 0 ]; do
    safe '-*' || return 1
    case $rest in *" $1") ;; *) return 1 ;; esac
    [ "$size" = "$2" ] || return 1
    shift 2
  done
}

# What `ls -ln` says of files in folder $1.
listing() (
  cd "$1" 2>/dev/null || exit 1
  shift
  LC_ALL=C ls -ln "$@" 2>/dev/null
)

# The size of file $1.
size_of() {
  # shellcheck disable=SC2012 # no name is read from it
  ls -lnL "$1" 2>/dev/null | {
    read -r _ _ _ _ size _
    echo "$size"
  }
}

# Is everything in folder $1, fit to be run?
unpacked() {
  [ -x "$1/$runtime" ] &&
    listing "$1" "$program" "$runtime" |
    sound "$program" "$program_size" "$runtime" "$runtime_size"
}

# The place of $1 without symbolic links, as far as it is there.
place_of() (
  there=$1 rest=''
  until [ -d "$there" ]; do
    rest=/${there##*/}$rest
    there=${there%/*}
    [ -n "$there" ] || there=/
  done
  there=$(cd -P -- "$there" 2>/dev/null && pwd -P) || exit 1
  printf '%s%s\n' "${there%/}" "$rest"
)

# Lines of `ls -lnd` on stdin: succeeds when they are $1 folders in which nobody else can swap what
# this user has: each owned by this user or root, and writable by nobody else, or as /tmp is.
guarded() {
  count=0
  while read -r mode _ owner _; do
    case $mode in
      d????-??-* | d????????[tT]*) ;;
      *) return 1 ;;
    esac
    case $owner in 0 | "$uid") ;; *) return 1 ;; esac
    count=$((count + 1))
  done
  [ "$count" = "$1" ]
}

# May what is in folder $1 be trusted, and every folder above it? What is checked is then what is
# run: nobody else can put something else in its place.
trusted() {
  case $1 in */../* | */..) return 1 ;; esac
  above=$1
  while [ "$above" != / ]; do
    above=${above%/*}
    [ -n "$above" ] || above=/
    set -- "$@" "$above"
  done
  # shellcheck disable=SC2012
  LC_ALL=C ls -lnd "$1" 2>/dev/null | safe 'd*' &&
    LC_ALL=C ls -lnd "$@" 2>/dev/null | guarded $#
}

# The same for a folder that isn't there yet: where it would be made.
trusted_to_be() {
  above=$1
  until [ -d "$above" ] || [ -L "$above" ]; do
    above=${above%/*}
    [ -n "$above" ] || above=/
  done
  set --
  while :; do
    set -- "$@" "$above"
    [ "$above" != / ] || break
    above=${above%/*}
    [ -n "$above" ] || above=/
  done
  # shellcheck disable=SC2012
  LC_ALL=C ls -lnd "$@" 2>/dev/null | guarded $#
}

# Leftovers of first starts that were killed: the name says which process made them.
sweep() {
  for leftover in "$1"/.unpack-*; do
    [ -e "$leftover" ] || continue
    maker=${leftover##*/.unpack-}
    maker=${maker%%-*}
    if [ "$maker" = $$ ] || ! kill -0 "$maker" 2>/dev/null; then rm -f "$leftover" 2>/dev/null; fi
  done
}

# Writes the contents of part $1 to stdout.
contents() {
  if [ "$1" = "$program" ]; then
    head -c "$program_end" "$self" | tail -c "$program_packed" | gzip -dc
  else
    tail -c "+$runtime_start" "$self" | gzip -dc
  fi
}

# Puts part $1 of size $2 and mode $3 into $folder. Says what is wrong, where something is.
part() {
  if listing "$folder" "$1" | sound "$1" "$2"; then
    [ "$3" = 600 ] || [ -x "$folder/$1" ] || {
      echo "$noexec"
      return 1
    }
    return 0
  fi
  for attempt in 1 2 3; do
    [ "$attempt" = 1 ] || sleep 1
    rm -f "$unfinished"
    unfinished=$(mktemp "$folder/.unpack-$$-XXXXXX" 2>&1) || {
      problem=$unfinished unfinished=''
      reason "$problem"
      return 1
    }
    problem=$({ contents "$1" >"$unfinished"; } 2>&1) || {
      reason "$problem"
      return 1
    }
    # Without a size it is gone: another start, in another container, took it for a leftover.
    size=$(size_of "$unfinished")
    [ -n "$size" ] || continue
    [ "$size" = "$2" ] || {
      echo "$damaged"
      return 1
    }
    chmod "$3" "$unfinished"
    # A power cut must not leave a file of the right size without its contents.
    sync "$unfinished" 2>/dev/null
    if [ "$1" = "$runtime" ]; then
      problem=$("$unfinished" --version 2>&1)
      case $? in
        0) ;;
        126)
          echo "$noexec"
          return 1
          ;;
        *)
          [ -e "$unfinished" ] || continue
          echo "its runtime does not start: $problem"
          return 1
          ;;
      esac
    fi
    mv -f "$unfinished" "$folder/$1" 2>/dev/null && return 0
  done
  echo 'something keeps removing its files'
  return 1
}

# Unpacks into folder $1. Says what is wrong, where something is.
unpack() (
  folder=$1 unfinished=''
  umask 077
  export LC_ALL=C
  trap 'rm -f "$unfinished"' EXIT
  trap 'exit 1' HUP INT TERM
  if ! trusted_to_be "$folder"; then
    echo 'somebody else owns a folder above it, or may write to one'
    exit 1
  fi
  problem=$(mkdir -p "$folder" 2>&1) || {
    reason "$problem"
    exit 1
  }
  if ! trusted "$folder"; then
    echo 'somebody else owns it or may write to it'
    exit 1
  fi
  sweep "$folder"
  part "$program" "$program_size" 600 && part "$runtime" "$runtime_size" 700
)

# Becomes the program, unpacked in folder $1, with the arguments that follow.
become() {
  folder=$1
  shift
  sweep "$folder"
  # The runtime's own caches stay in the folder as well; the program puts DENO_DIR back.
  if [ -n "${DENO_DIR+set}" ]; then export LOCKSTEP_OUTER_DENO_DIR="$DENO_DIR"; fi
  export DENO_DIR="$folder/deno" DENO_NO_UPDATE_CHECK=1
  exec "$folder/$runtime" run @FLAGS@ "$folder/$program" "$@"
}

main() {
  case $0 in
    */*) self=$0 ;;
    *) if [ -f "./$0" ]; then self=./$0; else self=$(command -v -- "$0"); fi ;;
  esac
  here=$(uname -s) && here="$here $(uname -m)"
  case $here in "Darwin arm64") here="Darwin aarch64" ;; esac
  [ "$here" = "$system $machine" ] ||
    fail "this executable is for $system on $machine, and here is $here: fetch the one for this machine"
  # shellcheck disable=SC3045 # every sh that there is knows it
  case $(ulimit -n 2>/dev/null) in
    [0-9] | [0-9][0-9]) fail 'too few files may be open at once: raise the limit (ulimit -n 1024)' ;;
  esac
  uid=$(id -u)
  problems=''
  for kind in asked service xdg home state temporary; do
    case $kind in
      asked) cache=${LOCKSTEP_CACHE_DIR-} ;;
      service) cache=${CACHE_DIRECTORY-} cache=${cache%%:*} ;;
      xdg) cache=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/$name} ;;
      home) cache=${HOME:+${HOME%/}/.cache/$name} ;;
      state) cache=${STATE_DIRECTORY-} cache=${cache%%:*} cache=${cache:+$cache/.cache} ;;
      temporary) cache=${TMPDIR:-/tmp} cache=${cache%/}/$name-$uid ;;
    esac
    case $kind,$cache in
      *,/*) ;;
      asked,?*) cache=$PWD/$cache ;;
      *) continue ;;
    esac
    if [ $kind = temporary ] && [ -L "$cache" ]; then
      problems="${problems:+$problems; }$cache: somebody else made it a link"
      continue
    fi
    cache=$(place_of "$cache") || continue
    if trusted "$cache" && unpacked "$cache"; then become "$cache" "$@"; fi
    if [ -z "$problems" ]; then
      [ "$(size_of "$self")" = "$whole" ] ||
        fail "$self is cut short or was changed: it should have $whole bytes; fetch it again"
      [ -z "$loader" ] || [ -e "$loader" ] ||
        fail "this host has no $loader: the executable needs the GNU C library"
    fi
    if problem=$(unpack "$cache"); then become "$cache" "$@"; fi
    [ "$problem" != "$damaged" ] || fail "$self: $damaged"
    problems="${problems:+$problems; }$cache: $problem"
    [ $kind != asked ] || break
  done
  fail "can't unpack itself ($problems); set LOCKSTEP_CACHE_DIR to a folder that programs may be run from"
}

main "$@"
exit 71
