/**
 * Figures as people read them.
 *
 * @module
 */

/** `1234567` → `1,234,567`. */
export function countText(count: number): string {
  return Math.round(count).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A rate: whole from ten up, one decimal below. */
export function rateText(rate: number): string {
  return rate >= 10 || rate === 0 ? countText(rate) : rate.toFixed(1);
}

/** `1536` → `1.5 KB`; powers of 1000, as disks are sold. */
export function bytesText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes, unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Short spans keep their fraction: `0.004` → `4 ms`. */
export function shortSpanText(seconds: number): string {
  const ms = Math.abs(seconds) * 1000;
  if (ms < 1000) return `${ms < 10 && ms > 0 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${ms < 10_000 ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)} s`;
}

/** `2026-11-22T22:26:05.123Z` → `2026-11-22 22:26:05`, UTC. */
export function timeText(iso: string): string {
  return iso.replace("T", " ").replace(/(\.\d+)?Z$/, "");
}

/** `1 row`, `2 rows`. */
export function plural(count: number, one: string, many: string = one + "s"): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** Cuts long text for a preview. */
export function shorten(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length - 1).toWellFormed() + "…";
}
