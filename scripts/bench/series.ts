/**
 * Repeated measurements of one thing: median, spread, and ratio to another's.
 *
 * @module
 */

/** The middle of the values; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle];
  if (high === undefined) return Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}

/** The value below which `share` (0 to 1) of the values lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1);
  return sorted[Math.max(0, at)] ?? Number.NaN;
}

/**
 * The median of the ratios run by run. What slowed a run down slowed both of its sides down, so
 * this moves less on a noisy machine than the ratio of two medians.
 */
export function pairedRatio(values: readonly number[], reference: readonly number[]): number {
  const ratios: number[] = [];
  values.forEach((value, run) => {
    const other = reference[run];
    if (other !== undefined && other > 0) ratios.push(value / other);
  });
  return median(ratios);
}
