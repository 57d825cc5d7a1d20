/**
 * Which of several kinds of answer a request wants.
 *
 * @module
 */

/**
 * The offered type that `Accept` weighs most; the first one where there is no such header or
 * nothing fits. Browsers name `text/html`, curl sends a star.
 */
export function preferred<T extends string>(
  accept: string | undefined,
  offers: readonly [T, ...T[]],
): T {
  let best: T = offers[0], bestWeight = 0;
  const ranges = (accept ?? "*/*").split(",").map((range) => {
    const [type = "", ...params] = range.split(";").map((part) => part.trim().toLowerCase());
    const q = params.find((param) => param.startsWith("q="));
    const weight = q === undefined ? 1 : Number(q.slice(2));
    return { type, weight: Number.isNaN(weight) ? 0 : weight };
  });
  for (const offer of offers) {
    const [group] = offer.split("/");
    const exact = ranges.find(({ type }) => type === offer);
    const range = exact ?? ranges.find(({ type }) => type === `${group}/*`) ??
      ranges.find(({ type }) => type === "*/*");
    const weight = range?.weight ?? 0;
    if (weight > bestWeight) [best, bestWeight] = [offer, weight];
  }
  return best;
}
