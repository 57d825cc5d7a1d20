/**
 * What runs after commits: the file of `--write`, then the command of `--on-change`.
 *
 * - Both wait for changes to settle and are told of all of them together; one round at a time.
 * - Only a table that is up to date counts: nothing runs while it catches up.
 * - A consumer that fails never stops the replica: it is tried again with the next change, or after
 *   a minute, with everything that it has missed. The command waits for the file before it.
 * - How far each has come is kept in the store, as the table's count of changes: after a restart
 *   both run once if the table is another one than at their last success.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { masked } from "../../base/masked.ts";
import { Signal } from "../../base/signal.ts";
import { logger } from "../../base/log.ts";
import { LockstepError, messageOf } from "../../protocol/errors.ts";
import type { CommitEvent } from "../../store/read/change.ts";
import type { HookMark } from "../../store/kv/stored_values.ts";
import type { TableReader } from "../../store/read/table_reader.ts";
import { ChangedKeys, changeLines, runCommand } from "./on_change.ts";
import type { HookStatus } from "../status.ts";
import type { SqliteShape } from "./sqlite_file.ts";
import { WrittenFile } from "./written_file.ts";

const log = logger("hooks");

/** After a failure a quiet table's consumer is tried again: a full disk is empty some day. */
const RETRY_MS = 60_000;

/** What runs after the commits of one table. */
export interface HookSettings {
  /** For `sh -c`; null for none. */
  readonly command: string | null;
  /** Absolute path; null for none. */
  readonly file: string | null;
  /** For `sh -c`: looks at a new file before it is put in place; null for none. */
  readonly check: string | null;
  /** Changes within so long are told together. */
  readonly waitMs: number;
  /** Values that a command shall not find in its environment. */
  readonly secrets: () => Promise<readonly string[]>;
}

/** The table, as its consumers see it. */
export interface HookHost {
  readonly table: string;
  readonly reader: TableReader;
  readonly clock: Clock;
  readonly shape: SqliteShape;
  /** Whether rows may have been stored, before this process, that `changes` doesn't count. */
  readonly isUncounted: boolean;
  /** The cursor that readers see, and the count of changes. */
  position(): { cursor: string | null; changes: number };
  /** Rows ever changed, as of the commits that {@linkcode Hooks.note} was told. */
  readonly changes: number;
  hookMark(name: string): Promise<HookMark | null>;
  saveHookMark(name: string, mark: HookMark): Promise<void>;
}

/** One consumer. */
interface Consumer {
  readonly name: HookStatus["name"];
  readonly target: string;
  /** The table's count of changes at its last success; null for none. */
  told: number | null;
  lastSuccess: number | null;
  lastFailure: number | null;
  error: string | null;
  /** Throws what went wrong. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export class Hooks {
  readonly #host: HookHost;
  readonly #waitMs: number;
  readonly #secrets: HookSettings["secrets"];
  /** In the order in which they run. */
  readonly #consumers: Consumer[] = [];
  readonly #file: WrittenFile | null;
  /** What the command is to be told; null without one. */
  readonly #keys: ChangedKeys | null;
  readonly #stop = new AbortController();
  readonly #finishing = new AbortController();
  /** Aborts when the table begins to catch up; null while it does. */
  #settled: AbortController | null = null;
  #running = false;
  readonly #changed = new Signal();
  #done: Promise<void> = Promise.resolve();

  private constructor(host: HookHost, settings: HookSettings) {
    const { file, command, check } = settings;
    this.#host = host;
    this.#waitMs = settings.waitMs;
    this.#secrets = settings.secrets;
    this.#keys = command === null ? null : new ChangedKeys();
    this.#file = file === null ? null : new WrittenFile(file, {
      ...{ reader: host.reader, clock: host.clock, shape: host.shape },
      isUncounted: host.isUncounted,
      position: () => host.position(),
      check: (candidate, signal) => this.#check(check, candidate, signal),
    });
    const written = this.#file;
    if (written !== null) this.#add("write", written.path, (signal) => written.write(signal));
    if (command !== null) {
      this.#add("on-change", command, (signal) => this.#command(command, file, signal));
    }
  }

  /** Looks up how far each consumer has come, and starts to wait for changes. */
  static async open(host: HookHost, settings: HookSettings): Promise<Hooks> {
    const hooks = new Hooks(host, settings);
    for (const consumer of hooks.#consumers) await hooks.#load(consumer);
    hooks.#done = hooks.#loop();
    return hooks;
  }

  /** Whether changes are of interest while the table catches up. */
  get wantsChanges(): boolean {
    return this.#told.some((keys) => !keys.isAll);
  }

  /** Those who want to know which keys changed. */
  get #told(): ChangedKeys[] {
    return [this.#keys, this.#file?.changed ?? null].filter((keys) => keys !== null);
  }

  /** A commit is durable. */
  note(event: CommitEvent): void {
    for (const keys of this.#told) for (const { key } of event.changes) keys.add(key);
    this.#changed.notify();
  }

  /** The table is up to date, or begins to catch up. */
  settle(isSettled: boolean): void {
    if (isSettled === (this.#settled !== null)) return;
    if (isSettled) {
      this.#settled = new AbortController();
      this.#changed.notify();
    } else {
      this.#settled?.abort();
      this.#settled = null;
    }
  }

  /** Runs what is due without waiting for more, and ends. */
  async finish(): Promise<void> {
    this.#finishing.abort();
    await this.#done;
  }

  /** Ends; a command that is running is ended, too. Safe to call twice. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /**
   * A run that ends by itself has done all that it was asked for.
   *
   * @throws {LockstepError} `hook` where the file isn't written, or the command has failed
   */
  assertDone(): void {
    const undone = this.status().find(({ error, pending }) => error !== null || pending);
    if (undone === undefined) return;
    throw new LockstepError(
      `--${undone.name} of ${this.#host.table} failed: ${undone.error ?? "it was not run"}`,
      { kind: "hook", retry: "never", hint: "mend it, and run again: the table itself is stored" },
    );
  }

  /** How each is doing. */
  status(): HookStatus[] {
    const iso = (ms: number | null) => ms === null ? null : new Date(ms).toISOString();
    return this.#consumers.map((consumer) => ({
      name: consumer.name,
      target: consumer.name === "write" ? consumer.target : masked(consumer.target),
      lastSuccess: iso(consumer.lastSuccess),
      lastFailure: iso(consumer.lastFailure),
      error: consumer.error,
      pending: this.#isDue(consumer) || this.#running,
      pauseSeconds: consumer.name === "write" ? Math.ceil((this.#file?.pauseMs ?? 0) / 1000) : 0,
    }));
  }

  #add(name: Consumer["name"], target: string, run: Consumer["run"]): void {
    const fresh = { told: null, lastSuccess: null, lastFailure: null, error: null };
    this.#consumers.push({ name, target, run, ...fresh });
  }

  async #load(consumer: Consumer): Promise<void> {
    const mark = await this.#host.hookMark(consumer.name);
    const isSame = !this.#host.isUncounted && mark?.target === markedTarget(consumer);
    if (consumer.name === "on-change") {
      // An empty table is nothing to tell.
      consumer.told = isSame ? mark.changes : this.#host.isUncounted ? null : 0;
      if (this.#isDue(consumer)) this.#keys?.addAll();
    } else {
      consumer.told = await this.#file?.isThere() && isSame ? mark.changes : null;
    }
    if (isSame) consumer.lastSuccess = mark?.time ?? null;
  }

  #isDue(consumer: Consumer): boolean {
    return consumer.told !== this.#host.changes;
  }

  get #isAnyDue(): boolean {
    return this.#settled !== null && this.#consumers.some((consumer) => this.#isDue(consumer));
  }

  async #loop(): Promise<void> {
    const { clock } = this.#host;
    const over = AbortSignal.any([this.#stop.signal, this.#finishing.signal]);
    over.addEventListener("abort", () => this.#changed.notify(), { once: true });
    while (!over.aborted) {
      await this.#changed.until(() => this.#isAnyDue || over.aborted);
      // The command is told of a file that is written: both wait for its pause.
      await clock.sleep(Math.max(this.#waitMs, this.#file?.pauseMs ?? 0), over).catch(() => {});
      if (over.aborted || !this.#isAnyDue) continue;
      const { changes } = this.#host;
      if (!await this.#round()) await this.#patience(changes, over);
    }
    if (!this.#stop.signal.aborted && this.#isAnyDue) await this.#round();
    this.#file?.close();
  }

  /** After a failure: waits for another change, at most {@linkcode RETRY_MS}. */
  async #patience(changes: number, over: AbortSignal): Promise<void> {
    const enough = new AbortController();
    const limit = AbortSignal.any([over, enough.signal]);
    let isOver = false;
    const sleeping = this.#host.clock.sleep(RETRY_MS, limit).catch(() => {}).then(() => {
      isOver = true;
      this.#changed.notify();
    });
    await this.#changed.until(() => isOver || this.#host.changes !== changes);
    enough.abort();
    await sleeping;
  }

  /** Runs every consumer that is due. Returns false when one failed. */
  async #round(): Promise<boolean> {
    this.#running = true;
    try {
      for (const consumer of this.#consumers) {
        if (this.#isDue(consumer) && !await this.#run(consumer)) return false;
      }
      return true;
    } finally {
      this.#running = false;
    }
  }

  async #run(consumer: Consumer): Promise<boolean> {
    const { table, clock, changes } = this.#host;
    if (this.#settled === null) return true;
    // A file of a table that is catching up would be half of the old one and half of the new.
    const signal = consumer.name === "write"
      ? AbortSignal.any([this.#stop.signal, this.#settled.signal])
      : this.#stop.signal;
    try {
      await consumer.run(signal);
    } catch (error) {
      if (signal.aborted) return true;
      const isNews = consumer.error !== messageOf(error);
      consumer.error = messageOf(error);
      consumer.lastFailure = clock.now();
      const level = isNews ? "warn" : "debug";
      log[level](`{table}: --${consumer.name} failed: {error}`, { table, error: consumer.error });
      return false;
    }
    consumer.told = changes;
    consumer.error = null;
    consumer.lastSuccess = clock.now();
    const mark: HookMark = { target: markedTarget(consumer), changes, time: consumer.lastSuccess };
    await this.#host.saveHookMark(consumer.name, mark).catch((error: unknown) => {
      // It runs once more after a restart, then.
      log.debug("{table}: {error}", { table, error: messageOf(error) });
    });
    return true;
  }

  async #command(command: string, file: string | null, signal: AbortSignal): Promise<void> {
    const { table, clock } = this.#host;
    const keys = this.#keys ?? new ChangedKeys();
    const taken = keys.take();
    const env = { LOCKSTEP_TABLE: table, ...(file === null ? {} : { LOCKSTEP_FILE: file }) };
    const error = await runCommand({
      ...{ command, env, clock, signal },
      input: changeLines(table, taken, this.#host.reader),
      secrets: await this.#secrets(),
    });
    if (error === null) return;
    keys.restore(taken);
    throw new Error(error);
  }

  /** Runs the command of `--check` on a file that is to replace the one that is there. */
  async #check(command: string | null, candidate: string, signal: AbortSignal): Promise<void> {
    if (command === null) return;
    const { table, clock } = this.#host;
    const error = await runCommand({
      ...{ command, clock, signal, isHeard: true },
      env: { LOCKSTEP_TABLE: table, LOCKSTEP_FILE: candidate },
      input: nothing(),
      secrets: await this.#secrets(),
    });
    if (error !== null) throw new Error(`--check refused it: ${error}`);
  }
}

/** Standard input of a command that is told nothing. */
async function* nothing(): AsyncGenerator<string> {}

/** A target as the store knows it: of a command, which may hold a secret, the digest. */
function markedTarget({ name, target }: Consumer): string {
  return name === "write" ? target : createHash("sha256").update(target).digest("hex");
}
