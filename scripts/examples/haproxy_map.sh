#!/bin/sh
# For --on-change: keeps a map of a running HAProxy equal to a table with the fields "host" (the key)
# and "backend", by its runtime API: no reload, and no connection is dropped. Needs jq and socat, and
# --write for when anything may have changed.
#
#   lockstep-replicate --url https://origin.example/hosts --key host \
#     --write /var/lib/hosts.ndjson --on-change scripts/examples/haproxy_map.sh
set -eu
map=${HAPROXY_MAP:-/etc/haproxy/hosts.map}
socket=${HAPROXY_SOCKET:-/run/haproxy/admin.sock}

# Words and nothing else: what an origin sends must not become a command.
word='def word: if type == "string" and test("^[0-9A-Za-z._:-]+$") then . else empty end;'

changes=$(cat)
case $changes in
  *'"all":true}')
    echo "clear map $map"
    jq -r --arg map "$map" "$word"'
      (.host | word) as $key | (.backend | word) as $value | "add map \($map) \($key) \($value)"' \
      "$LOCKSTEP_FILE"
    ;;
  *)
    printf '%s\n' "$changes" | jq -r --arg map "$map" "$word"'
      (.key[0] | word) as $key | "del map \($map) \($key)",
      if .kind == "put" then .value.backend | word | "add map \($map) \($key) \(.)" else empty end'
    ;;
esac | while read -r line; do
  # One command a connection; a key that is not in the map is nothing to delete.
  printf '%s\n' "$line" | ${SOCAT:-socat} - "UNIX-CONNECT:$socket"
done
