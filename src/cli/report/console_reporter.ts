/**
 * What the main job says while it runs: log lines on standard error and, on a terminal, a live
 * line below them.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { logger, startLogging, stopLogging } from "../../base/log.ts";
import type { ProcessStatus } from "../../replica/status.ts";
import { LiveLine } from "./live_line.ts";
import { StatusLog } from "./status_log.ts";
import { writeError } from "../output.ts";
import { formatProgress } from "./progress.ts";
import type { Settings } from "../options/settings.ts";

/**
 * Between two looks at the status: on a terminal often enough to read a rate; for a log, which gets
 * a line in ten seconds at most, so seldom that an idle process costs nothing.
 */
const TERMINAL_MS = 200;
const LOG_MS = 5_000;

/** Logging and progress, from now until it is disposed. */
export class ConsoleReporter {
  readonly #live: LiveLine | null;
  readonly #narrator: StatusLog;
  readonly #log = logger("replica");
  #status: (() => ProcessStatus) | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(settings: Settings["log"]) {
    const isTerminal = Deno.stderr.isTerminal();
    const live = isTerminal && !settings.quiet && settings.format === "text"
      ? new LiveLine({ write: writeError, width: terminalWidth })
      : null;
    this.#live = live;
    this.#narrator = new StatusLog(live === null);
    startLogging({
      format: settings.format,
      level: settings.level,
      write: live === null ? (line) => writeError(`${line}\n`) : (line) => live.above(line),
      journal: !isTerminal && Deno.env.get("JOURNAL_STREAM") !== undefined,
      colors: isTerminal && !Deno.noColor,
    });
  }

  /** From now on tells what the process does. */
  follow(status: () => ProcessStatus): void {
    this.#status = status;
    this.#look();
    this.#timer = setInterval(() => this.#look(), this.#live === null ? LOG_MS : TERMINAL_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#live?.close();
    if (this.#status !== null) this.#look();
    stopLogging();
  }

  #look(): void {
    const status = this.#status?.();
    if (status === undefined) return;
    for (
      const { level, message, properties } of this.#narrator.lines(status, systemClock.monotonic())
    ) {
      this.#log[level](message, { ...properties });
    }
    this.#live?.draw((width) => formatProgress(status, width));
  }
}

function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}
