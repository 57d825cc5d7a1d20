/**
 * Every option of the program, described once.
 *
 * @module
 */

import { ORDER_TYPES } from "../../protocol/cursor.ts";
import { LOG_LEVELS } from "../../base/log.ts";
import { flag, list, type Option, type OptionValues, value } from "./spec.ts";
import { parseSource } from "./url_option.ts";
import {
  bytes,
  command,
  duration,
  fields,
  growth,
  header,
  line,
  oneOf,
  overlap,
  path,
  percent,
  place,
  positiveDuration,
  positiveInteger,
  statusAddress,
  storePath,
  table,
  wholeNumber,
} from "./parse_values.ts";

const BLANKS = [/\s+/, "blanks"] as const;
const LINES = [/\r?\n/, "line breaks"] as const;

const origin = {
  url: list(
    "url",
    "[TABLE=]URL",
    parseSource,
    BLANKS,
    "The endpoint to copy from; more than one makes a table of each. `{since}` in it is replaced " +
      "by the cursor; without it the cursor becomes the last path element. `user:pass@` becomes " +
      "Basic authentication and is never printed.",
  ),
  table: value(
    "table",
    "NAME",
    table,
    "What the table is called in the store, when there is one URL.",
    { otherwise: "the last path element of the URL" },
  ),
  key: value(
    "key",
    "FIELD[,FIELD…]",
    fields,
    "The field or fields that identify a record: names or, beginning with `/`, JSON pointers such " +
      "as `/attributes/id`.",
    { default: "id" },
  ),
  orderBy: value(
    "order-by",
    "FIELD",
    place,
    "The field, or JSON pointer, that orders the records.",
    {
      default: "updated_at",
    },
  ),
  orderType: value(
    "order-type",
    "TYPE",
    oneOf(ORDER_TYPES),
    "How orders compare: `number` by value, also decimals that are written as text; `time` as " +
      "instants, however an ISO-8601 time is written; `text` by code unit; `auto` by what most of " +
      "the first records have. Changing it takes `--resync`.",
    { default: "auto", completes: ORDER_TYPES },
  ),
  deletedBy: value(
    "deleted-by",
    "FIELD[=VALUE]",
    place,
    "The field, or JSON pointer, that marks a record as deleted: by any value but nothing, zero, " +
      "false or a zero date. `=VALUE` names the one value that means deleted, as in " +
      "`status=archived`.",
    {
      default: "deleted_at",
    },
  ),
  records: value(
    "records",
    "FIELD",
    place,
    "Where the records are inside an answer that wraps them: a field, or a JSON pointer such as " +
      "`/result/items`.",
    { otherwise: "the answer itself" },
  ),
  whole: flag(
    "whole",
    "Each complete answer is the whole table: what it lacks is removed, by the rules of a sweep. A " +
      "URL without `{since}` is asked as it is. The copy keeps an order of its own under the name " +
      "of `--order-by`, which the records must not have.",
  ),
  since: value(
    "since",
    "CURSOR",
    line("a cursor"),
    "Where to start when the store has no cursor yet, and in every resync.",
    { default: "0" },
  ),
  seed: value(
    "seed",
    "FILE|URL",
    path,
    "A snapshot of a public feed (`/feed/TABLE/snapshot`) that fills a table that is empty; then the " +
      "origin goes on. `{table}` in it stands for the table's name.",
    { completes: "file" },
  ),
  overlap: value(
    "overlap",
    "N",
    overlap,
    "Ask again from N before the cursor on every connect, for origins that commit late: N is in " +
      "the order field's unit, or a duration where that field is an ISO-8601 time.",
    { default: "0" },
  ),
  poll: value(
    "poll",
    "DURATION",
    duration,
    "The pause between passes; the pages of one follow each other at once. Every duration is " +
      "written like `500ms`, `10s`, `1m30s` or `7d`; a bare number is seconds.",
    {
      default: "1s",
    },
  ),
  idleTimeout: value(
    "idle-timeout",
    "DURATION",
    positiveDuration,
    "A stream that is silent for so long is dropped and reopened; blank lines count as life.",
    { default: "60s" },
  ),
  connectTimeout: value(
    "connect-timeout",
    "DURATION",
    positiveDuration,
    "How long to wait for the headers of an answer.",
    { default: "10s" },
  ),
  header: list(
    "header",
    "'NAME: VALUE'",
    header,
    LINES,
    "A header to send with every request; may be given again.",
  ),
  headerFile: value(
    "header-file",
    "FILE",
    path,
    "A file of headers, one a line, read again on every connect, so that a rotated token is " +
      "picked up.",
    { completes: "file" },
  ),
  ca: value("ca", "FILE", path, "Certificates (PEM) to trust besides the usual ones.", {
    completes: "file",
  }),
  cert: value("cert", "FILE", path, "A client certificate (PEM); needs `--cert-key`.", {
    completes: "file",
  }),
  certKey: value("cert-key", "FILE", path, "The private key (PEM) of `--cert`.", {
    completes: "file",
  }),
};

const store = {
  kv: value(
    "kv",
    "PATH",
    storePath,
    "The Deno KV store: a file; `replica.kv` inside an existing directory (or a path that ends " +
      "in `/`); `:memory:`; or the `https://` address of a KV Connect server.",
    { default: "./state", completes: "file" },
  ),
  kvTokenFile: value(
    "kv-token-file",
    "FILE",
    path,
    "A file with the access token of a remote store, read again when the old one is refused.",
    { otherwise: "`DENO_KV_ACCESS_TOKEN`", completes: "file" },
  ),
  resync: flag(
    "resync",
    "Read everything again once, from where the first fill began, and remove the rows that the " +
      "origin no longer has.",
  ),
  adopt: flag("adopt", "The origin has moved: keep the store's rows and cursor under the new URL."),
  standby: flag(
    "standby",
    "Wait for a table that another process writes, and take over when that one ends, hangs or is " +
      "cut off; until then the status page says so, and shows the shared store's rows.",
  ),
  strict: flag("strict", "Stop with exit status 1 at the first record that can't be stored."),
  maxLineLength: value(
    "max-line-length",
    "BYTES",
    bytes,
    "A record longer than this is refused without being held in memory (`KiB`, `MiB`).",
    { default: "16MiB" },
  ),
  shrinkLimit: value(
    "shrink-limit",
    "PERCENT",
    percent,
    "A resync, or changes within ten minutes, that would remove more than this part of the rows " +
      "are held until they are approved.",
    { default: "50%" },
  ),
  growLimit: value(
    "grow-limit",
    "PERCENT",
    growth,
    "Changes within ten minutes that would add more than this part of the rows are held until " +
      "they are approved.",
  ),
  minRows: value(
    "min-rows",
    "N",
    wholeNumber,
    "What would leave fewer rows than these is held until it is approved.",
  ),
  tombstoneTtl: value(
    "tombstone-ttl",
    "DURATION",
    positiveDuration,
    "How long deletions are remembered.",
    { default: "7d" },
  ),
};

const run = {
  once: flag("once", "Stop, with exit status 0, when the copy is up to date."),
  attempts: value(
    "attempts",
    "N",
    positiveInteger,
    "With `--once`: give up, with exit status 1, after so many failures in a row.",
    { default: "5" },
  ),
  onChange: value(
    "on-change",
    "COMMAND",
    command,
    "A shell command to run after changes: the table is in `LOCKSTEP_TABLE`, the changed rows " +
      "come as NDJSON on its standard input.",
  ),
  check: value(
    "check",
    "COMMAND",
    command,
    "A shell command that looks at a new file of `--write` (`LOCKSTEP_FILE`) before it replaces " +
      "the old one; where it fails, the old one stays.",
  ),
  onChangeWait: value(
    "on-change-wait",
    "DURATION",
    duration,
    "Changes within so long are told together, by `--on-change` and `--write`.",
    { default: "1s" },
  ),
  write: list(
    "write",
    "[TABLE=]FILE",
    path,
    LINES,
    "Keep the whole table in FILE, replaced at once after changes settle and before the command " +
      "runs: NDJSON, or an array where the name ends in `.json`. `{table}` in it stands for the " +
      "table's name.",
    { completes: "file" },
  ),
};

const serving = {
  status: value(
    "status",
    "ADDR",
    statusAddress,
    "Where the status page listens: `HOST:PORT`, `PORT`, or `unix:PATH`. An address that other " +
      "machines can reach needs `--status-token-file`.",
    { otherwise: "127.0.0.1:4568, or a free port where that one is taken" },
  ),
  noStatus: flag("no-status", "No status page."),
  statusTokenFile: value(
    "status-token-file",
    "FILE",
    path,
    "A file with the bearer token that everything but `/healthz` then asks for.",
    { completes: "file" },
  ),
  feed: flag("feed", "Serve the tables onward, so that this copy can be another one's origin."),
  feedPublic: flag(
    "feed-public",
    "Caches may keep the feed's answers: it is offered in chunks and by long polls as well. With " +
      "`--status-token-file` they are for the reader's own cache. Includes `--feed`.",
  ),
  maxStaleness: value(
    "max-staleness",
    "DURATION",
    positiveDuration,
    "`/readyz` fails when a table has not been in touch with its origin for so long.",
    { otherwise: "off" },
  ),
  verifyEvery: value(
    "verify-every",
    "DURATION",
    positiveDuration,
    "Compare the whole copy with its origin as often, and show what came of it, and when.",
    { otherwise: "off" },
  ),
  expire: value(
    "expire",
    "DURATION",
    positiveDuration,
    "Reads over HTTP and the feed answer 503 when a table has not been in touch with its origin " +
      "for so long.",
    { otherwise: "off" },
  ),
};

const logs = {
  logFormat: value(
    "log-format",
    "FORMAT",
    oneOf(["text", "json"]),
    "How log lines are written to standard error: `text` or `json`.",
    { default: "text", completes: ["text", "json"] },
  ),
  logLevel: value(
    "log-level",
    "LEVEL",
    oneOf(LOG_LEVELS),
    "The least important lines to write: `debug`, `info`, `warning` or `error`.",
    { default: "info", completes: LOG_LEVELS },
  ),
  quiet: flag("quiet", "Write errors only, and no progress line."),
};

/** The options of the main job, in the order of help and documentation. */
export const OPTION_GROUPS = [
  { title: "Origin", options: origin },
  { title: "Store", options: store },
  { title: "Run", options: run },
  { title: "Status and feed", options: serving },
  { title: "Logs", options: logs },
] as const satisfies readonly { title: string; options: Record<string, Option> }[];

/** The options of the main job. */
export const OPTIONS = { ...origin, ...store, ...run, ...serving, ...logs };

/** Options that only sub-commands have; these have no environment variable. */
export const COMMAND_OPTIONS = {
  limit: value("limit", "N", positiveInteger, "Stop after N rows."),
  after: value("after", "KEY", line("a key"), "Start after this key, as `--keys-only` prints it."),
  keysOnly: flag("keys-only", "Print keys instead of rows."),
  json: flag("json", "Print JSON."),
  seconds: value("seconds", "N", positiveInteger, "How long to look, at most.", {
    default: "20",
  }),
  against: value(
    "against",
    "URL",
    line("an address"),
    "Compare with the copy whose status page is at URL, by digests, instead of with the origin.",
  ),
  repair: flag("repair", "Have what differs mended, by a resync."),
  rate: value("rate", "N", positiveInteger, "Rows of the origin to read a second, at most.", {
    default: "50000",
  }),
  clear: flag("clear", "Remove what was printed from the quarantine; its count stays."),
  template: flag("template", "Print `lockstep-replicate@.service` instead."),
};

/** What was asked for, by option. */
export type MainValues = OptionValues<typeof OPTIONS>;
export type CommandValues = OptionValues<typeof COMMAND_OPTIONS>;
export type AnyValues = MainValues & CommandValues;
