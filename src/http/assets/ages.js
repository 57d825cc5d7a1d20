// Lets the ages on the page tick, between one snapshot and the next.

import { agoText, spanText } from "./age.js";

/** Server's clock minus this browser's, in milliseconds: ages are the server's. */
let skew = 0;

/** @param {number} now the server's time */
export function setServerTime(now) {
  skew = now - Date.now();
}

export function serverNow() {
  return Date.now() + skew;
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
