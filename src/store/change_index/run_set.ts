/**
 * The runs that the change index's state names, and which of them grows at its end.
 *
 * @module
 */

import type { ChangeEntry, SortedEntries } from "./entry.ts";
import { type PlannedRun, type PlannedRuns, planRuns } from "./flush_plan.ts";
import { readPage, type WrittenRun } from "./run.ts";
import type { Manifest } from "./manifest.ts";
import type { ChangeRun } from "./manifest_state.ts";

export class RunSet {
  readonly #table: string;
  readonly #state: Manifest;
  /** Runs that are being merged: they don't grow. */
  #sealed: ReadonlySet<number> = new Set();
  /** The run that grows, and its last entry. */
  #growing: { readonly id: number; readonly last: ChangeEntry } | null = null;

  constructor(table: string, state: Manifest) {
    this.#table = table;
    this.#state = state;
  }

  /** All of them, those included that are named by what is on its way. */
  get all(): readonly ChangeRun[] {
    return this.#state.next.runs;
  }

  /** Entries that counted when all were last looked at. */
  get valid(): number {
    return this.#state.next.valid;
  }

  /** True where the stored state names a run. */
  isStored(run: ChangeRun): boolean {
    return this.#state.durable.runs.some(({ id }) => id === run.id);
  }

  /** Finds the run that grows, once the state was read. */
  async load(kv: Deno.Kv): Promise<void> {
    this.#growing = null;
    const last = this.all.at(-1);
    if (last === undefined || last.pages === 0 || this.#sealed.has(last.id)) return;
    const entry = (await readPage(kv, this.#table, last.id, last.pages - 1)).at(-1);
    if (entry !== undefined) this.#growing = { id: last.id, last: entry };
  }

  /** These are being merged, and must not grow; until the next call. */
  seal(runs: readonly ChangeRun[]): void {
    this.#sealed = new Set(runs.map(({ id }) => id));
    if (this.#growing !== null && this.#sealed.has(this.#growing.id)) this.#growing = null;
  }

  /** The number of a new run. */
  create(): number {
    const id = this.#state.next.nextRun;
    this.#state.change({ nextRun: id + 1 });
    return id;
  }

  /** Plans which runs sorted entries go to. */
  plan(entries: SortedEntries): PlannedRuns {
    const run = this.all.find(({ id }) => id === this.#growing?.id);
    const growing = run === undefined || this.#growing === null
      ? null
      : { run, last: this.#growing.last };
    return planRuns(this.#table, entries, growing, () => this.create());
  }

  /** Names what was planned, and written. */
  grow({ id, pages, from, to, last, grows }: PlannedRun): void {
    const others = this.all.filter((run) => run.id !== id);
    const was = this.all.find((run) => run.id === id) ?? { id, pages: 0, entries: 0 };
    const grown = { id, pages: was.pages + pages, entries: was.entries + to - from };
    // The one that grows is the last, which is how it is found again.
    this.#state.change({ runs: grows ? [...others, grown] : [grown, ...others] });
    if (grows) this.#growing = { id, last };
  }

  /** Names the runs that complete the index. */
  complete(written: readonly WrittenRun[]): void {
    const valid = written.reduce((sum, run) => sum + run.entries, 0);
    // The one that grows stays the last.
    this.#state.change({ complete: true, runs: [...written.map(bare), ...this.all], valid });
  }

  /**
   * Names one run instead of others.
   *
   * @param valid entries that count, where all were looked at
   */
  replace(old: readonly ChangeRun[], merged: WrittenRun, valid: number | null): void {
    const ids = new Set(old.map(({ id }) => id));
    const rest = this.all.filter(({ id }) => !ids.has(id));
    const runs = merged.pages === 0 ? rest : [bare(merged), ...rest];
    if (rest.length === 0 && merged.last !== null) {
      this.#growing = { id: merged.id, last: merged.last };
    }
    this.#state.change({ runs, ...(valid === null ? {} : { valid }) });
  }
}

/** A run as the state names it. */
function bare({ id, pages, entries }: ChangeRun): ChangeRun {
  return { id, pages, entries };
}
