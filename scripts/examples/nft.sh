#!/bin/sh
# For --on-change: keeps an nftables set equal to a table whose key is an address. Only what changed
# is told to the kernel, in one transaction. Needs jq, and --write for when anything may have changed.
#
#   nft add table inet filter
#   nft add set inet filter blocked '{ type ipv4_addr; }'
#   lockstep-replicate --url https://origin.example/blocked --key ip \
#     --write /var/lib/blocked.ndjson --on-change scripts/examples/nft.sh
set -eu
name=${NFT_SET:-inet filter blocked}

# An address and nothing else: what an origin sends must not become a command.
address='def address: if type == "string" and test("^[0-9a-fA-F.:]+(/[0-9]+)?$") then . else empty end;'

changes=$(cat)
case $changes in
  *'"all":true}')
    echo "flush set $name"
    jq -r --arg set "$name" "$address"'.ip | address | "add element \($set) { \(.) }"' "$LOCKSTEP_FILE"
    ;;
  *)
    # Added before it is deleted: to delete what is not there is an error.
    printf '%s\n' "$changes" | jq -r --arg set "$name" "$address"'
      .kind as $kind | .key[0] | address | "add element \($set) { \(.) }",
      if $kind == "delete" then "delete element \($set) { \(.) }" else empty end'
    ;;
esac | ${NFT:-nft} -f -
