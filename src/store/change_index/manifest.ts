/**
 * The change index's state on its way into the store: changed at once, written with the next
 * operation that carries the table's state, true when that is durable.
 *
 * @module
 */

import type { ChangeEntry, SortedEntries } from "./entry.ts";
import { type ChangeState, stateBytes } from "./manifest_state.ts";
import { changeStateKey } from "../kv/keys.ts";
import type { Operation } from "../kv/operation.ts";

/** Entries that become durable with a state. */
export interface Entered {
  readonly dropsLog: boolean;
  readonly logged: readonly ChangeEntry[];
  /** Some of them were notified to nobody. */
  readonly isUnannounced: boolean;
  /** All of it, sorted. */
  readonly entries: SortedEntries;
}

/** A state that is on its way. */
interface Staged {
  readonly state: ChangeState;
  readonly entered: Entered | null;
}

export class Manifest {
  readonly #table: string;
  /** As it is stored. */
  durable: ChangeState;
  /** As it will be when all that is on its way is durable. */
  next: ChangeState;
  /** Something was changed that no operation carries. */
  isDirty = false;
  #staged: Staged | null = null;
  /** On their way, in the order of their operations. */
  #underWay: (Staged | null)[] = [];

  constructor(table: string, state: ChangeState) {
    this.#table = table;
    this.durable = this.next = state;
  }

  /** Takes a state as it is stored; what was on its way is forgotten. */
  reset(state: ChangeState): void {
    // A run that the background writes has a number that the stored state may not know yet.
    const nextRun = Math.max(state.nextRun, this.next.nextRun);
    this.durable = state;
    this.next = { ...state, nextRun };
    this.#underWay = [];
    this.#staged = null;
    this.isDirty = false;
  }

  /** How many operations are on their way. */
  get underWay(): number {
    return this.#underWay.length;
  }

  /** True while a state is among them: one that is built on it must not be stored without it. */
  get isChanging(): boolean {
    return this.#underWay.some((staged) => staged !== null);
  }

  change(change: Partial<ChangeState>): void {
    this.next = { ...this.next, ...change };
    this.isDirty = true;
  }

  /** The next operation with the table's cursor writes the state. */
  stage(entered: Entered | null = null): void {
    this.#staged = { state: this.next, entered };
  }

  /** To be called for every operation with the table's cursor, right before it is submitted. */
  addState(operation: Operation): void {
    const staged = this.#staged;
    this.#staged = null;
    this.#underWay.push(staged);
    if (staged === null) return;
    this.isDirty = false;
    operation.set(changeStateKey(this.#table), staged.state, stateBytes(staged.state));
  }

  /** The oldest of those operations is durable. Returns what it has written, or null. */
  settle(): { readonly entered: Entered | null } | null {
    const staged = this.#underWay.shift() ?? null;
    if (staged !== null) this.durable = staged.state;
    return staged;
  }
}
