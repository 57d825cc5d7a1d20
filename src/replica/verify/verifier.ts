/**
 * Compares a table with its origin now and then (`--verify-every`), while it is live.
 *
 * @module
 */

import { logger } from "../../base/log.ts";
import { OriginClient } from "../../origin/tls_client.ts";
import { messageOf } from "../../protocol/errors.ts";
import { TableOrders } from "../../protocol/orders.ts";
import type { TableReader } from "../../store/read/table_reader.ts";
import type { Table } from "../../store/table/table.ts";
import type { ReplicaConfig } from "../config.ts";
import type { VerifiedStatus } from "../status.ts";
import { DIFFERENCES } from "./compare.ts";
import { type Verification, verify } from "./verify.ts";

const log = logger("replica");

/** Rows of the origin a second: beside the copying, which goes first. */
const ROWS_PER_SECOND = 20_000;

/** A table that isn't live when its turn comes is looked at again after so long. */
const LOOK_AGAIN_MS = 60_000;

/** Compares one table. */
export class Verifier {
  readonly #config: ReplicaConfig;
  readonly #table: Table;
  readonly #reader: TableReader;
  readonly #isLive: () => boolean;
  #last: VerifiedStatus | null = null;

  constructor(config: ReplicaConfig, table: Table, reader: TableReader, isLive: () => boolean) {
    this.#config = config;
    this.#table = table;
    this.#reader = reader;
    this.#isLive = isLive;
  }

  /** What the last comparison came to; null before the first. */
  get last(): VerifiedStatus | null {
    return this.#last;
  }

  /** Compares every so often, until the signal aborts. */
  async run(everyMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#config;
    let waitMs = everyMs;
    while (!signal.aborted) {
      await clock.sleep(waitMs, signal).catch(() => {});
      if (signal.aborted) return;
      waitMs = this.#isLive() ? everyMs : Math.min(everyMs, LOOK_AGAIN_MS);
      if (this.#isLive()) await this.#verify(signal);
    }
  }

  async #verify(signal: AbortSignal): Promise<void> {
    const { name, clock } = this.#config;
    const time = () => new Date(clock.now()).toISOString();
    try {
      const result = await this.#compare(signal);
      if (result === null) return;
      const { verdict, reason, compared, differences } = result;
      const differing = DIFFERENCES.reduce((sum, kind) => sum + differences[kind].count, 0);
      this.#last = { time: time(), verdict, reason, compared, differing };
      if (verdict !== "different") return;
      log.warn(
        "{table}: {differing} rows differ from the origin's; `verify {table}` names them, and --repair mends them",
        { table: name, differing },
      );
    } catch (error) {
      if (signal.aborted) return;
      const reason = messageOf(error);
      this.#last = { time: time(), verdict: "failed", reason, compared: 0, differing: 0 };
      log.warn("{table}: it can't be compared with its origin: {reason}", { table: name, reason });
    }
  }

  async #compare(signal: AbortSignal): Promise<Verification | null> {
    const { endpoint, name, options, clock } = this.#config;
    const { meta, orders, shape, store } = this.#table;
    if (this.#table.cursor === null) return null;
    const { ca, cert, certKey, headers, headerFile } = options;
    using client = new OriginClient({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(certKey === undefined ? {} : { certKey }),
    });
    return await verify({
      source: {
        endpoint,
        table: name,
        shape,
        orders: new TableOrders(orders.state),
        records: options.records,
        isWhole: options.whole ?? false,
        maxLineLength: options.maxLineLength ?? 16 * 2 ** 20,
        connect: {
          client,
          ...(headers === undefined ? {} : { headers }),
          ...(headerFile === undefined ? {} : { headerFile }),
        },
        clock,
        pollMs: options.pollMs ?? 1_000,
      },
      kv: store.reader,
      reader: this.#reader,
      beside: store.kind === "file" ? store.path : null,
      from: meta.startText ?? "0",
      settled: this.#table.cursor,
      isRemote: store.kind === "remote",
      rowsPerSecond: ROWS_PER_SECOND,
      signal,
    });
  }
}
