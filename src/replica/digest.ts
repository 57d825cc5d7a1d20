/**
 * A running table's digest, with the cursor that it stands for.
 *
 * @module
 */

import type { Table } from "../store/table/table.ts";

/** A digest, and what it is of. */
export interface DigestStatus {
  /** 64 hexadecimal digits; see docs/digest.md. */
  readonly digest: string;
  /** The first 48 bits, as a gauge has them. */
  readonly gauge: number;
  /** Rows that it is of. */
  readonly rows: number;
  /** Everything up to here, and nothing else, is part of it. */
  readonly cursor: string | null;
  /** When it was so; ISO-8601. */
  readonly time: string;
}

/** The digest as it stands; null while it is made, or while the table changes. */
export function digestStatus(table: Table): DigestStatus | null {
  const { digester, meta, orders, clock } = table;
  if (digester === null || !digester.isDone || !table.isSettled) return null;
  const { digest } = digester;
  return {
    digest: digest.text,
    gauge: digest.gauge,
    rows: digest.rows,
    cursor: meta.cursor === null ? null : orders.textOf(meta.cursor),
    time: new Date(clock.now()).toISOString(),
  };
}
