/**
 * Failing, counting or dying at the n-th commit, without a hook in the program: Deno KV's own
 * `commit` is wrapped while the test runs.
 *
 * @module
 */

/** Called before each commit with its number, from 1; what it throws the commit fails with. */
export type BeforeCommit = (number: number) => void | Promise<void>;
/** Called after each commit that succeeded. */
export type AfterCommit = (number: number) => void | Promise<void>;

/** Wraps every commit of this process until it is disposed. */
export class CommitHook implements Disposable {
  readonly #original = Deno.AtomicOperation.prototype.commit;
  commits = 0;

  constructor(before: BeforeCommit, after: AfterCommit = () => {}) {
    const original = this.#original;
    const next = () => ++this.commits;
    Deno.AtomicOperation.prototype.commit = async function (this: Deno.AtomicOperation) {
      const number = next();
      await before(number);
      const result = await original.call(this);
      await after(number);
      return result;
    };
  }

  [Symbol.dispose](): void {
    Deno.AtomicOperation.prototype.commit = this.#original;
  }
}
