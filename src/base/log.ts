/**
 * Log lines: LogTape in front, one synchronous writer behind.
 *
 * Any file of the project may ask for a {@linkcode logger}; nothing is written until a program
 * calls {@linkcode startLogging}, so a library user hears nothing unless LogTape is configured.
 * The writer is synchronous because a line that waits in a stream is lost by `Deno.exit`.
 * Records, URLs and error texts are other people's words: everything is escaped, so that no value
 * can start a line of its own or speak to the terminal.
 *
 * @module
 */

import { configureSync, getLogger, type Logger, type LogRecord, resetSync } from "@logtape/logtape";

export type LogFormat = "text" | "json";

/** From the most to the least talkative. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** How log lines are written. */
export interface LogOptions {
  readonly format: LogFormat;
  /** Lines below it are left out. */
  readonly level: LogLevel;
  /** Writes one line (without its end); must not throw. */
  readonly write: (line: string) => void;
  /** Put `<6>`-like priorities before each line and leave the time to journald. */
  readonly journal?: boolean;
  /** Colour the level, in text. */
  readonly colors?: boolean;
}

const ROOT = "lockstep";

/** The logger of one part of the program, named in JSON lines: `logger("origin")`. */
export function logger(part: string): Logger {
  return getLogger([ROOT, part]);
}

/** From here on log lines are written; replaces an earlier choice. */
export function startLogging(options: LogOptions): void {
  const format = options.format === "json" ? jsonLine : textLine;
  configureSync({
    reset: true,
    sinks: {
      lines: (record) => {
        const line = format(record, options);
        options.write(options.journal ? `<${PRIORITIES[record.level]}>${line}` : line);
      },
    },
    loggers: [
      { category: ROOT, lowestLevel: options.level, sinks: ["lines"] },
      // LogTape's own troubles, and not its notice that it was configured.
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
    ],
  });
}

/** Back to silence. */
export function stopLogging(): void {
  resetSync();
}

/** syslog's numbers, as journald reads them at the start of a line. */
const PRIORITIES: Readonly<Record<LogRecord["level"], number>> = {
  trace: 7,
  debug: 7,
  info: 6,
  warning: 4,
  error: 3,
  fatal: 2,
};

const COLORS: Readonly<Record<LogRecord["level"], string>> = {
  trace: "\x1b[2m",
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warning: "\x1b[33m",
  error: "\x1b[31m",
  fatal: "\x1b[31m",
};

function textLine(record: LogRecord, options: LogOptions): string {
  const level = options.colors
    ? `${COLORS[record.level]}${record.level}\x1b[0m`
    : `${record.level}`;
  const time = options.journal ? "" : `${new Date(record.timestamp).toISOString()} `;
  let line = `${time}${level}: ${printable(messageText(record))}`;
  for (const [key, value] of Object.entries(record.properties)) {
    if (isShown(record, key)) continue;
    line += ` ${printable(key)}=${printable(valueText(value))}`;
  }
  return line;
}

function jsonLine(record: LogRecord): string {
  const fields: Record<string, unknown> = Object.create(null);
  fields.time = new Date(record.timestamp).toISOString();
  fields.level = record.level;
  fields.part = record.category.slice(1).join(".");
  fields.message = messageText(record);
  for (const [key, value] of Object.entries(record.properties)) {
    fields[Object.hasOwn(fields, key) ? `${key}_` : key] = jsonValue(value);
  }
  // JSON leaves DEL, C1 and the direction marks as they are; a terminal wouldn't.
  return escapeUnprintable(JSON.stringify(fields), (code) => `\\u${hex(code, 4)}`);
}

function messageText(record: LogRecord): string {
  return record.message.map((part, index) => index % 2 === 0 ? String(part) : valueText(part))
    .join("");
}

/** True where the message itself already holds the property. */
function isShown(record: LogRecord, key: string): boolean {
  return typeof record.rawMessage === "string" && record.rawMessage.includes(`{${key}}`);
}

function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.message;
  const plain = jsonValue(value);
  return typeof plain === "string" ? plain : JSON.stringify(plain) ?? String(plain);
}

/** What JSON can hold: bigints as digits, errors as their message, the unprintable as text. */
function jsonValue(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Error) return value.message;
  if (typeof value !== "object" || value === null) return value;
  try {
    return JSON.parse(
      JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? String(inner) : inner),
    );
  } catch {
    return String(value);
  }
}

/**
 * A text that is safe on a terminal and stays on one line: control characters, line separators and
 * marks that turn the writing direction become escapes such as `\n` and `\x1b`.
 */
export function printable(text: string): string {
  return escapeUnprintable(text, (code) => {
    if (code === 9) return "\\t";
    if (code === 10) return "\\n";
    if (code === 13) return "\\r";
    return code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

/** C0, DEL, C1, line and paragraph separators, bidirectional controls, and halves of a pair. */
const UNPRINTABLE =
  // deno-lint-ignore no-control-regex -- control characters are just what is looked for
  /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]/gu;

function escapeUnprintable(text: string, escape: (code: number) => string): string {
  return text.replace(UNPRINTABLE, (character) => escape(character.charCodeAt(0)));
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
