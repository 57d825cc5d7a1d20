// How long ago, in words that fit a glance. Used by the server when it writes the page, and by the
// page itself when it lets ages tick.

/**
 * @param {number} seconds
 * @returns {string} such as `2 s`, `5 min`, `3 h 12 min`, `4 d 2 h`
 */
export function spanText(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return min < 10 && s % 60 !== 0 ? `${min} min ${s % 60} s` : `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return min % 60 === 0 ? `${h} h` : `${h} h ${min % 60} min`;
  const d = Math.floor(h / 24);
  return h % 24 === 0 ? `${d} d` : `${d} d ${h % 24} h`;
}

/**
 * @param {number} seconds
 * @returns {string} such as `just now`, `2 s ago`
 */
export function agoText(seconds) {
  return seconds < 1 ? "just now" : `${spanText(seconds)} ago`;
}
