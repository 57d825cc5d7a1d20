#!/bin/sh
# For --on-change: keeps an ipset equal to a table whose key is an address. Only what changed is told
# to the kernel. Needs jq, and --write for when anything may have changed.
#
#   ipset create blocked hash:net
#   lockstep-replicate --url https://origin.example/blocked --key ip \
#     --write /var/lib/blocked.ndjson --on-change scripts/examples/ipset.sh
set -eu
name=${IPSET_NAME:-blocked}

# An address and nothing else: what an origin sends must not become a command.
address='def address: if type == "string" and test("^[0-9a-fA-F.:]+(/[0-9]+)?$") then . else empty end;'

changes=$(cat)
case $changes in
  *'"all":true}')
    echo "flush $name"
    jq -r --arg set "$name" "$address"'.ip | address | "add \($set) \(.)"' "$LOCKSTEP_FILE"
    ;;
  *)
    printf '%s\n' "$changes" | jq -r --arg set "$name" "$address"'
      (if .kind == "put" then "add" else "del" end) as $verb |
      .key[0] | address | "\($verb) \($set) \(.)"'
    ;;
esac | ${IPSET:-ipset} restore -exist
