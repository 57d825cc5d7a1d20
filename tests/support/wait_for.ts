/**
 * Waiting for a condition instead of sleeping.
 *
 * @module
 */

/** Between two looks, in milliseconds. */
const LOOK_MS = 5;

/**
 * Resolves as soon as the condition holds, with what it gave.
 *
 * @param what said when it never does
 * @param deadlineMs generous: it bounds a failing test, it doesn't time a passing one
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  what: string,
  deadlineMs = 30_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
