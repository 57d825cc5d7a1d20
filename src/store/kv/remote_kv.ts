/**
 * A handle on a remote store, with what Deno's client lacks: a bound on how long an answer may take,
 * and a new start with the token file's new content once the old token is refused.
 *
 * @module
 */

import { type Clock, systemClock } from "../../base/clock.ts";

/** An answer that takes longer is given up; whether it was applied then isn't known. */
export const REMOTE_DEADLINE_MS = 30_000;

/** Nothing was heard of a request in time. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
}

/** The work's outcome, or {@linkcode NoAnswer} after so many milliseconds. */
export async function inTime<T>(
  work: Promise<T>,
  deadlineMs: number,
  clock: Clock = systemClock,
): Promise<T> {
  const over = new AbortController();
  const late = clock.sleep(deadlineMs, over.signal).then(() => {
    throw new NoAnswer(`no answer within ${deadlineMs / 1000} s`);
  });
  // Whichever comes second is nobody's any more.
  late.catch(() => {});
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

/** Deno's word where a token was refused: the handle asks for no other. */
const REFUSED = /failed to fetch metadata/i;

/** What was opened at an address, and may be opened anew. */
export class RemoteKv implements Deno.Kv {
  readonly #open: () => Promise<Deno.Kv>;
  #kv: Deno.Kv;
  #isRefused = false;

  /** @param open opens the store anew */
  constructor(kv: Deno.Kv, open: () => Promise<Deno.Kv>) {
    this.#kv = kv;
    this.#open = open;
  }

  get<T = unknown>(
    key: Deno.KvKey,
    options?: { consistency?: Deno.KvConsistencyLevel },
  ): Promise<Deno.KvEntryMaybe<T>> {
    return this.#ask((kv) => kv.get<T>(key, options));
  }

  getMany<T extends readonly unknown[]>(
    keys: readonly [...{ [K in keyof T]: Deno.KvKey }],
    options?: { consistency?: Deno.KvConsistencyLevel },
  ): Promise<{ [K in keyof T]: Deno.KvEntryMaybe<T[K]> }> {
    return this.#ask((kv) => kv.getMany<T>(keys, options));
  }

  set(
    key: Deno.KvKey,
    value: unknown,
    options?: { expireIn?: number },
  ): Promise<Deno.KvCommitResult> {
    return this.#ask((kv) => kv.set(key, value, options));
  }

  delete(key: Deno.KvKey): Promise<void> {
    return this.#ask((kv) => kv.delete(key));
  }

  list<T = unknown>(
    selector: Deno.KvListSelector,
    options?: Deno.KvListOptions,
  ): Deno.KvListIterator<T> {
    // What it gives is given entry by entry; only a batch's first waits for the server.
    const entries = this.#kv.list<T>(selector, options);
    const next = entries.next.bind(entries);
    entries.next = () => this.#noted(inTime(next(), REMOTE_DEADLINE_MS));
    return entries;
  }

  atomic(): Deno.AtomicOperation {
    const operation = this.#kv.atomic();
    const commit = operation.commit.bind(operation);
    operation.commit = () => this.#noted(inTime(commit(), REMOTE_DEADLINE_MS));
    return operation;
  }

  watch<T extends readonly unknown[]>(
    keys: readonly [...{ [K in keyof T]: Deno.KvKey }],
    options?: { raw?: boolean },
  ): ReadableStream<{ [K in keyof T]: Deno.KvEntryMaybe<T[K]> }> {
    return this.#kv.watch<T>(keys, options);
  }

  enqueue(): Promise<Deno.KvCommitResult> {
    return Promise.reject(new Error("a replica has no queue"));
  }

  listenQueue(): Promise<void> {
    return Promise.reject(new Error("a replica has no queue"));
  }

  commitVersionstamp(): symbol {
    return this.#kv.commitVersionstamp();
  }

  close(): void {
    this.#kv.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #ask<T>(request: (kv: Deno.Kv) => Promise<T>): Promise<T> {
    if (this.#isRefused) {
      const kv = await this.#open();
      this.#kv.close();
      this.#kv = kv;
      this.#isRefused = false;
    }
    return await this.#noted(inTime(request(this.#kv), REMOTE_DEADLINE_MS));
  }

  async #noted<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof Error && REFUSED.test(error.message)) this.#isRefused = true;
      throw error;
    }
  }
}
