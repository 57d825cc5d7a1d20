#!/bin/sh
# A shell pipeline: curl, jq, the sqlite3 shell's import. Durable at the end only.
#   sh jq_sqlite.sh URL SINCE FILE
set -eu
settings='PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
  CREATE TABLE IF NOT EXISTS servers (id INTEGER PRIMARY KEY, updated_at INTEGER, body TEXT);
  CREATE TEMP TABLE incoming (id INTEGER, updated_at INTEGER, body TEXT);'
records() {
  curl --silent --show-error --fail "$1/$2" | jq --raw-output '[.id, .updated_at, tojson] | @csv'
}
if [ "$2" = 0 ]; then
  records "$1" "$2" |
    sqlite3 -cmd "$settings" -cmd '.import --csv /dev/stdin servers' "$3" 'SELECT 1' >/dev/null
else
  # The import can't replace rows: by way of a temporary table.
  records "$1" "$2" |
    sqlite3 -cmd "$settings" -cmd '.import --csv /dev/stdin incoming' "$3" \
      'INSERT OR REPLACE INTO servers SELECT * FROM incoming' >/dev/null
fi
