/**
 * The loop of one table: connect, read, wait, repeat.
 *
 * @module
 */

import { Backoff } from "../base/backoff.ts";
import type { Answer, ConnectOptions } from "../origin/connect.ts";
import { OriginClient } from "../origin/tls_client.ts";
import type { Validators } from "../origin/validators.ts";
import {
  compareOrder,
  formatOrder,
  type Order,
  type OrderType,
  parseOrder,
  rewind,
  roundedDown,
} from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import { storeFault } from "../store/kv/store_error.ts";
import { AnswerIngest, type TableParts } from "./answer_ingest.ts";
import { beatSeconds } from "./last_word.ts";
import { AnswerStats } from "./answer_stats.ts";
import { FeedSource } from "./feed_source.ts";
import { PageTrail } from "./page_trail.ts";
import { beginPass, type Pass, type PassStep } from "./pass.ts";
import { linkedInCircle } from "./pass_errors.ts";

/** The origin's head; null where it says none, or none that can be read. */
function headOf({ head }: Answer, type: OrderType | null): Order | null {
  if (head === null || head === "") return null;
  try {
    return parseOrder(head, type);
  } catch {
    return null;
  }
}

/** Answers in a row that are asked for at once, each of them long, after which a table is behind. */
const BEHIND_ANSWERS = 3;

/** An answer of fewer records is asked behind slowly, where such ones go on: no page is so small. */
const SMALL_ANSWER_ROWS = 10;

/** A pass, and the text by which the next request of it asks. */
interface AskedPass {
  readonly pass: Pass;
  readonly from: string;
}

/** Before every order with a fraction, and after 0: a microsecond, where orders are seconds. */
const LEAST_FRACTION = 0.000001;

function isWhole(order: Order): boolean {
  return typeof order === "bigint" || Number.isInteger(order);
}

export class Loop implements Disposable {
  readonly #parts: TableParts;
  readonly #backoff: Backoff;
  readonly #client: OriginClient;
  readonly #source: FeedSource;
  /** The answer that is being read; null between answers. */
  #intake: AnswerIngest | null = null;
  /** The pass that is under way; null where the next request begins one at the cursor. */
  #pass: AskedPass | null = null;
  /** Records of the longest answer of the pass before. */
  #longest = 0;
  /** The links of the answer's pages so far, and the next page; null where none is to be followed. */
  #page: { readonly url: string; readonly trail: PageTrail } | null = null;
  #needsRecovery = false;
  /** Of the last answer, where all of it is stored, and nothing has failed since. */
  #validators: Validators | null = null;
  /** Cuts a pause, or the answer that is being read, short. */
  #interrupt = new AbortController();

  constructor(parts: TableParts) {
    const { ca, cert, certKey } = parts.config.options;
    this.#parts = parts;
    this.#backoff = new Backoff(parts.config.clock);
    this.#source = new FeedSource(parts.config);
    this.#client = new OriginClient({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(certKey === undefined ? {} : { certKey }),
    });
  }

  /** What is noticed about the answer that is being read; null between answers. */
  get reading(): AnswerStats | null {
    return this.#intake?.reading ?? null;
  }

  /** For how long whole records have been waiting without a commit, in milliseconds. */
  standstillMs(): number {
    return this.#intake?.standstillMs ?? 0;
  }

  /** Looks again at the answer that is being read. */
  look(): void {
    this.#intake?.look();
  }

  /** Whether a commit broke off: what is known of the table may not be what is stored. */
  get needsRecovery(): boolean {
    return this.#needsRecovery;
  }

  /** Goes round until the signal aborts or, with `once`, until up to date. */
  async run(signal: AbortSignal): Promise<void> {
    const { config: { options }, journal, resync } = this.#parts;
    while (!signal.aborted) {
      const outcome = await this.#attempt(signal);
      if (signal.aborted) return;
      const isLive = !(outcome instanceof LockstepError) && outcome?.next === "end";
      if (options.once && isLive && journal.isLive && !resync.isPending) return resync.assertDone();
      await this.#pause(outcome, signal);
    }
  }

  /** Goes round at once: cuts a pause, or the answer that is being read, short. */
  interrupt(): void {
    this.#interrupt.abort();
  }

  /** There is something to be done between two commits: of the answer under way, or of the next. */
  nudge(): void {
    this.#intake?.nudge();
  }

  /** Closes what the origin is asked with. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  /** One request and its answer: what is to be done then, or what went wrong; null: interrupted. */
  async #attempt(signal: AbortSignal): Promise<PassStep | LockstepError | null> {
    const { table, resync, holds } = this.#parts;
    this.#interrupt = new AbortController();
    const stop = AbortSignal.any([signal, this.#interrupt.signal]);
    try {
      table.store.files?.assertSame();
      if (this.#needsRecovery) await this.#recover();
      await holds.prepare();
      await resync.prepare();
      return await this.#exchange(stop);
    } catch (error) {
      // An origin that only asks for a pause goes on where it was.
      if (!(error instanceof LockstepError && error.status === 429)) {
        resync.cut();
        // Where it stands still below its head, the next request of the same pass tells so again.
        if (!(error instanceof LockstepError && error.kind === "behind-head")) this.#pass = null;
        this.#page = null;
      }
      if (stop.aborted) return null;
      const failure = storeFault(table.store.path, error);
      await holds.failed(failure).catch(() => {
        // The store fails as well: the next attempt meets it, and the guard once more.
      });
      // Whatever broke off a commit: what is stored is looked up before anything is written.
      const kinds: readonly string[] = ["store", "store-full", "callback"];
      if (kinds.includes(failure.kind)) this.#needsRecovery = true;
      return failure;
    } finally {
      this.#intake = null;
    }
  }

  async #recover(): Promise<void> {
    await this.#parts.table.recover();
    this.#needsRecovery = false;
  }

  /** Keeps what is known of the pass for the next request. */
  #passed(step: PassStep, from: string): void {
    const pass = step.next === "fail" ? null : step.pass;
    const { orders } = this.#parts.table;
    // Linked pages, and an answer in no order, are asked for once more from where they began.
    const isSame = pass !== null && (pass.greatest === null || pass.greatest === pass.since);
    // Behind a page of a sorted answer nothing is left out, however the origin compares: only where
    // a pass begins it asks for more than what comes next.
    const text = pass === null || isSame ? from : orders.textOf(pass.greatest ?? 0);
    this.#pass = pass === null ? null : { pass, from: text };
    if (step.next !== "page") this.#page = null;
    if (step.next === "end") this.#longest = step.end.longest;
    const isBehind = step.next === "again" && !step.pauses && step.pass.atOnce >= BEHIND_ANSWERS;
    if (isBehind) this.#parts.journal.enter("behind");
  }

  /** The pass that the next request belongs to. */
  #asked(): AskedPass {
    const { table, resync, whole } = this.#parts;
    const { isFromBeginning } = resync;
    if (whole !== null) return this.#asWhole();
    if (!isFromBeginning && this.#pass !== null) return this.#pass;
    this.#page = null;
    const { start, cursor } = table.meta;
    if (isFromBeginning || cursor === null) {
      return { pass: beginPass(start), from: this.#beginning(isFromBeginning) };
    }
    const from = this.#rewound(cursor);
    // What is asked for again may be more than a page: it leads on, page by page.
    const { orders } = table;
    const since = from === orders.textOf(cursor) ? cursor : parseOrder(from, orders.type);
    return { pass: beginPass(since, this.#longest), from };
  }

  /** Of a table whose answers are all of it, each begins anew, but for linked pages. */
  #asWhole(): AskedPass {
    if (this.#pass !== null && this.#page !== null) return this.#pass;
    this.#page = null;
    return { pass: beginPass(null), from: this.#beginning(true) };
  }

  async #exchange(stop: AbortSignal): Promise<PassStep> {
    const { config: { clock }, table, journal, resync, whole } = this.#parts;
    const isFromBeginning = resync.isFromBeginning;
    const { pass, from } = this.#asked();
    const cursor = isFromBeginning || whole !== null ? null : table.meta.cursor;
    journal.enter("connect");
    const validators = table.meta.resync === null ? this.#validators : null;
    this.#validators = null;
    const page = this.#page?.url ?? null;
    const options = { ...this.#connectOptions(), validators, page };
    const isNew = from === "0" && whole === null && cursor === null && table.meta.resync === null;
    const seed = isNew && await table.isEmpty() ? await this.#source.seed(stop) : null;
    const answer = seed ?? await this.#source.connect(from, options, stop);
    journal.metrics.connections++;
    this.#backoff.answered();
    journal.lastWord.answered(answer.ageMs);
    journal.enter("answered");
    this.#follow(answer);
    const { orders } = table;
    // Everything is compared: the records decide anew.
    if (isFromBeginning && whole === null) orders.reopen();
    if (answer.orderType !== null) orders.told(answer.orderType);
    const since = pass.greatest === null ? null : parseOrder(from, orders.type);
    const head = headOf(answer, orders.type);
    await resync.checkGeneration(answer);
    await resync.answered(answer.body !== null);
    const reading = new AnswerStats({
      since,
      cursor,
      head,
      isEmpty: answer.head === "",
      type: () => orders.type,
      date: answer.date,
      now: clock.now(),
      headersAt: clock.monotonic(),
      hasRows: !await table.isEmpty(),
    });
    whole?.begin(pass.pages !== null);
    this.#intake = new AnswerIngest(this.#parts, reading, pass, answer.next !== null);
    const step = await this.#intake.run(answer, stop);
    this.#passed(step, from);
    const isWhole = step.next === "end" && step.end.complete && table.meta.resync === null;
    if (isWhole) this.#validators = answer.validators;
    return step;
  }

  /** Keeps the link to the answer's next page. */
  #follow({ next, url, body }: Answer): void {
    const trail = this.#page?.trail ?? new PageTrail();
    this.#page = next === null ? null : { url: next, trail };
    if (next === null || trail.follow(next)) return;
    body?.cancel().catch(() => {});
    throw linkedInCircle(url);
  }

  /** Waits as the outcome asks for. */
  async #pause(outcome: PassStep | LockstepError | null, signal: AbortSignal): Promise<void> {
    const { config: { options, clock }, table, journal, resync } = this.#parts;
    if (!(outcome instanceof LockstepError)) {
      if (outcome?.next === "page") return;
      if (outcome?.next === "again" && !outcome.pauses) {
        const { atOnce, last } = outcome.pass;
        // A server that has one more record each time must not cause a tight loop.
        const isTrickle = atOnce > BEHIND_ANSWERS && last < SMALL_ANSWER_ROWS;
        return isTrickle ? await this.#sleep(this.#backoff.ended(0), signal) : undefined;
      }
      journal.metrics.reconnected("clean-end");
      await this.#sleep(this.#backoff.ended(options.pollMs ?? 1_000), signal);
      return;
    }
    const failure = outcome;
    journal.report(failure);
    if (failure.retry === "never") throw failure;
    // An origin that has forgotten what came before 0, too, is not to be helped by another try.
    const { cursor, floor } = table.meta;
    const isResync = failure.retry === "resync" && !resync.isFromBeginning &&
      (cursor !== null || floor !== null);
    if (isResync) resync.request(failure.message);
    const isGone = failure.kind === "gone" && !isResync;
    const wait = this.#backoff.failed(isGone ? { retry: "slow" } : failure);
    const isHopeless = failure.retry === "slow" ||
      this.#backoff.failures >= (options.attempts ?? 5);
    if (options.once && isHopeless) throw failure;
    journal.nextAttempt = clock.now() + wait;
    await this.#sleep(wait, signal);
    journal.nextAttempt = null;
    journal.metrics.reconnected(failure.kind);
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    // An interrupt that came before the pause cuts it, too: the attempt begins with a new one.
    const stop = AbortSignal.any([signal, this.#interrupt.signal]);
    await this.#parts.config.clock.sleep(ms, stop).catch(() => {});
  }

  /** The text to ask the origin by where there is no cursor. */
  #beginning(isFromBeginning: boolean): string {
    const { table } = this.#parts;
    const { floor, startText } = table.meta;
    return isFromBeginning || floor === null ? startText ?? "0" : table.orders.askText(floor);
  }

  #rewound(cursor: Order): string {
    const { config: { options: { overlap } }, table: { orders, meta } } = this.#parts;
    const text = orders.askText(cursor);
    if (overlap === undefined || meta.resync?.phase === "reading") return text;
    const since = rewind(typeof cursor === "string" ? text : cursor, overlap);
    if (since === cursor) return text;
    if (typeof since === "string") return since;
    // Asked from 0, the origin would leave out the deletions that have come since.
    const { floor } = meta;
    if (since === 0) {
      const least = [cursor, floor].every((order) => order === null || isWhole(order))
        ? 1
        : LEAST_FRACTION;
      return floor !== null && compareOrder(floor, least) < 0
        ? orders.askText(floor)
        : formatOrder(least);
    }
    return typeof since === "number" ? roundedDown(since) : formatOrder(since);
  }

  #connectOptions(): ConnectOptions {
    const { config, table } = this.#parts;
    const { connectTimeoutMs, idleTimeoutMs, headers, headerFile } = config.options;
    return {
      client: this.#client,
      generation: table.meta.generation ?? null,
      beatSeconds: beatSeconds(config.options.maxStalenessMs),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      ...(headers === undefined ? {} : { headers }),
      ...(headerFile === undefined ? {} : { headerFile }),
    };
  }
}
