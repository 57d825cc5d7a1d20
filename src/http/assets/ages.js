// Lets the ages on the page tick, between one snapshot and the next.

import { agoText, spanText } from "./age.js";

/**
 * Server's clock minus this browser's wall clock and its stopwatch, in milliseconds: ages are the
 * server's. The one steps, the other may stand still while the machine sleeps: the later time counts.
 */
let skew = 0;
let lead = Date.now() - performance.now();

/** @param {number} now the server's time */
export function setServerTime(now) {
  skew = now - Date.now();
  lead = now - performance.now();
}

export function serverNow() {
  return Math.max(Date.now() + skew, performance.now() + lead);
}

/** @param {ParentNode} root */
export function tick(root = document) {
  const now = serverNow();
  for (const time of root.querySelectorAll("time[data-age]")) {
    const seconds = (now - Date.parse(time.dateTime)) / 1000;
    const text = time.dataset.age === "until"
      ? (seconds >= 0 ? "now" : `in ${spanText(Math.ceil(-seconds))}`)
      : time.dataset.age === "ago"
      ? agoText(seconds)
      : spanText(seconds);
    if (time.textContent !== text) time.textContent = text;
  }
}

const main = document.getElementById("main");
if (main?.dataset.now) setServerTime(Number(main.dataset.now));
setInterval(tick, 1000);
