/**
 * The records that benchmarks are made with. A generation is a complete set of them: generation 1
 * has the keys of generation 0 in newer states, and, with keys at random, in another order.
 *
 * @module
 */

import { SyntheticSource } from "../origin/synthetic.ts";

/** What the records are like. */
export interface Data {
  readonly rows: number;
  readonly keys: "in-order" | "random";
  /** About 110 bytes or about 1,500. */
  readonly size: "small" | "large";
  readonly ties?: number;
  readonly tombstones?: number;
  readonly duplicates?: number;
  readonly stale?: number;
  readonly bad?: number;
  readonly big?: boolean;
  readonly separator?: "newline" | "none";
}

/** The first order of generation 0. */
const FIRST_ORDER = 1_600_000_000_000;

/** Where a generation's orders begin: far enough above the generation before. */
export function baseOf(data: Data, generation: number): number {
  return FIRST_ORDER + generation * 10 * Math.max(data.rows, 1_000_000);
}

/** A generation of the records. */
export function sourceOf(data: Data, generation: number): SyntheticSource {
  const { rows, ...options } = data;
  return new SyntheticSource({
    ...options,
    count: rows,
    base: baseOf(data, generation),
    seed: 1 + generation,
    tombstonesAtZero: true,
  });
}
