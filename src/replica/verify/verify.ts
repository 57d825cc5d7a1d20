/**
 * Compares a copy with its origin, beside the process that keeps it, and writes nothing.
 *
 * 1. Everything that the origin has from where the first fill began is read, at a bounded rate, and
 *    compared with what is stored. Only what is settled counts (see `compare.ts`).
 * 2. The table is read in key order beside the keys that the origin has sent: what it lacks may be
 *    a ghost.
 * 3. The origin is asked once more from the cursor of the beginning: what has changed since then
 *    explains a difference; so does what the copy has stored meanwhile.
 *
 * Memory doesn't grow with the table: the origin's keys lie in a temporary file.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import { type Key, orderOf, type RecordShape, type Row } from "../../protocol/record.ts";
import { sortableKey } from "../../store/kv/key_order.ts";
import type { Stored } from "../../store/read/last_writer_wins.ts";
import { lookUp } from "../../store/read/lookup.ts";
import type { TableReader } from "../../store/read/table_reader.ts";
import { SeenKeys } from "../../store/write/seen_keys.ts";
import { compareRow, type Difference, DIFFERENCES } from "./compare.ts";
import { type OriginEnd, type OriginSource, readOrigin } from "./read_origin.ts";

/** Keys of each difference that are told. */
const TOLD_KEYS = 20;

/** Differences that are looked at once more; of more, only the number is told. */
const MOST_CANDIDATES = 100_000;

/** What has changed meanwhile is asked for so long: an origin that never pauses goes on for ever. */
const EXPLAINING_MS = 3_000;

/** The copy is waited for so long, where it has still to store what the origin has told us. */
const FOLLOWING_MS = 5_000;

const LOOK_MS = 100;

/** Rows of the table read together. */
const PAGE_ROWS = 1000;

/** What is compared. */
export interface VerifyOptions {
  readonly source: OriginSource;
  readonly kv: Deno.Kv;
  readonly reader: TableReader;
  /** The store's file, beside which keys are kept; null for memory. */
  readonly beside: string | null;
  /** The text that the first fill began with. */
  readonly from: string;
  /** Everything up to here is stored. */
  readonly settled: Order;
  readonly isRemote: boolean;
  /** Rows a second at most; null for as fast as it goes. */
  readonly rowsPerSecond: number | null;
  readonly signal: AbortSignal;
}

/** Keys with one kind of difference. */
export interface Differing {
  readonly count: number;
  /** The first of them. */
  readonly keys: readonly Key[];
}

/** What came of a comparison. */
export interface Verification {
  /** `equal`, `different`, or `unknown`: no difference was found, and not everything was seen. */
  readonly verdict: "equal" | "different" | "unknown";
  /** Why not everything could be told; null where it could. */
  readonly reason: string | null;
  /** Rows of the origin that were compared. */
  readonly compared: number;
  /** Rows that changed while they were compared. */
  readonly changed: number;
  readonly differences: Readonly<Record<Difference, Differing>>;
  /** The cursor that it stands for. */
  readonly settled: Order;
}

/** A key that seems to differ. */
interface Candidate {
  readonly key: Key;
  readonly difference: Difference;
}

class Comparison {
  readonly #options: VerifyOptions;
  readonly #seen: SeenKeys;
  readonly #candidates = new Map<string, Candidate>();
  readonly #began: number;
  #overflow = 0;
  #compared = 0;
  #changed = 0;

  constructor(options: VerifyOptions, seen: SeenKeys) {
    this.#options = options;
    this.#seen = seen;
    this.#began = options.source.clock.monotonic();
  }

  async run(): Promise<Verification> {
    const { from, settled, signal, source } = this.#options;
    const bounds = { until: settled, forMs: null };
    const whole = await readOrigin(
      source,
      from,
      bounds,
      ({ rows }) => this.#compare(rows),
      signal,
    );
    const reason = this.#unknown(whole);
    if (reason === null) await this.#findGhosts();
    await this.#explain();
    return this.#result(reason);
  }

  /** Why what the origin lacks can't be told; null where it can. */
  #unknown({ isGuessed, unreadable, records }: OriginEnd): string | null {
    if (!isGuessed) {
      return "the origin's answers never came to an end that proves that they are all";
    }
    if (unreadable > 0) return `${unreadable} of the origin's records can't be read`;
    if (records === 0) return "the origin sent no record";
    if (this.#seen.isLost) return "the temporary file for the origin's keys could not be written";
    return null;
  }

  async #compare(rows: readonly Row[]): Promise<void> {
    const { kv, settled, isRemote, source: { shape, table, isWhole } } = this.#options;
    const newest = new Map<string, Row>();
    for (const row of rows) {
      const name = sortableKey(row.key);
      const other = newest.get(name);
      if (other === undefined || compareOrder(other.order, row.order) <= 0) newest.set(name, row);
    }
    await this.#seen.add([...newest.values()].map(({ key }) => key));
    const sorted = [...newest].sort(([a], [b]) => a < b ? -1 : 1);
    for (let at = 0; at < sorted.length; at += PAGE_ROWS) {
      const page = sorted.slice(at, at + PAGE_ROWS);
      const wanted = page.map(([, row]) => row);
      const isConfirmed = () => true;
      const stored = await lookUp(kv, wanted, { table, shape, isConfirmed, isRemote });
      for (const [i, [name, row]] of page.entries()) {
        const was = stored[i] ?? null;
        const found = compareRow(isWhole ? ordered(row, was, shape) : row, was, settled);
        this.#compared++;
        // The origin's newer word on a key takes back what an older one seemed to say.
        this.#candidates.delete(name);
        if (found === "changed") this.#changed++;
        else if (found !== null) this.#note(name, { key: row.key, difference: found });
      }
      await this.#rest();
    }
  }

  #note(name: string, candidate: Candidate): void {
    if (this.#candidates.size < MOST_CANDIDATES) this.#candidates.set(name, candidate);
    else this.#overflow++;
  }

  /** Keeps to the rate. */
  async #rest(): Promise<void> {
    const { rowsPerSecond, source: { clock }, signal } = this.#options;
    if (rowsPerSecond === null) return;
    const dueMs = this.#compared / rowsPerSecond * 1000;
    const aheadMs = dueMs - (clock.monotonic() - this.#began);
    if (aheadMs > 0) await clock.sleep(aheadMs, signal);
  }

  async #findGhosts(): Promise<void> {
    const { reader, settled, source: { shape } } = this.#options;
    const walk = this.#seen.walk();
    let page: { name: string; key: Key; order: Order | undefined }[] = [];
    const look = async () => {
      for (const { name, key, order } of await walk.missing(page)) {
        if (order !== undefined && compareOrder(order, settled) > 0) continue;
        this.#note(name, { key, difference: "ghost" });
      }
      page = [];
    };
    for await (const { key, value } of reader.list()) {
      page.push({ name: sortableKey(key), key, order: orderOf(value, shape) });
      if (page.length >= PAGE_ROWS) await look();
    }
    await look();
  }

  /** Takes back what is explained by what has changed meanwhile. */
  async #explain(): Promise<void> {
    if (this.#candidates.size === 0) return;
    const { source, settled, reader, signal } = this.#options;
    const forget = (key: Key) => {
      if (this.#candidates.delete(sortableKey(key))) this.#changed++;
    };
    const bounds = { until: null, forMs: EXPLAINING_MS };
    const { greatest } = await readOrigin(
      source,
      source.orders.askText(settled),
      bounds,
      (batch) => {
        for (const { key, order } of batch.rows) if (compareOrder(order, settled) > 0) forget(key);
        return Promise.resolve();
      },
      signal,
    );
    await this.#follow(greatest);
    for (const { key, difference } of [...this.#candidates.values()]) {
      const row = await reader.get(key);
      const order = row === null ? null : orderOf(row.value, source.shape) ?? null;
      const isGone = row === null && (difference === "ghost" || difference === "stale");
      if (isGone || (order !== null && compareOrder(order, settled) > 0)) forget(key);
    }
  }

  /** Gives the copy time to store what the origin has told us. */
  async #follow(order: Order | null): Promise<void> {
    const { reader, source: { clock }, signal } = this.#options;
    const end = clock.monotonic() + FOLLOWING_MS;
    while (order !== null && clock.monotonic() < end) {
      const cursor = (await reader.meta())?.cursor ?? null;
      if (cursor !== null && compareOrder(cursor, order) >= 0) return;
      await clock.sleep(LOOK_MS, signal);
    }
  }

  #result(reason: string | null): Verification {
    const found = [...this.#candidates.values()];
    const of = (wanted: Difference): Differing => {
      const keys = found.filter(({ difference }) => difference === wanted).map(({ key }) => key);
      return { count: keys.length, keys: keys.slice(0, TOLD_KEYS) };
    };
    const differences = Object.fromEntries(
      DIFFERENCES.map((difference) => [difference, of(difference)]),
    ) as Record<Difference, Differing>;
    const isDifferent = found.length + this.#overflow > 0;
    return {
      verdict: isDifferent ? "different" : reason === null ? "equal" : "unknown",
      reason: this.#overflow > 0 ? `${this.#overflow} differences more were not looked at` : reason,
      compared: this.#compared,
      changed: this.#changed,
      differences,
      settled: this.#options.settled,
    };
  }
}

/** A row whose order is the copy's own, as it is stored. */
function ordered(row: Row, stored: Stored | null, { orderBy }: RecordShape): Row {
  if (stored === null || !stored.isRow) return row;
  return { ...row, order: stored.order, value: { ...row.value, [orderBy]: stored.order } };
}

/**
 * Compares a table with its origin.
 *
 * @throws {LockstepError} where the origin can't be read
 */
export async function verify(options: VerifyOptions): Promise<Verification> {
  using seen = new SeenKeys(options.beside);
  return await new Comparison(options, seen).run();
}
