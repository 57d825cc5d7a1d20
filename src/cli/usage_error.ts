/**
 * A command line that can't be done: exit status 2.
 *
 * @module
 */

/** Names the option, what was given and what is accepted. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
