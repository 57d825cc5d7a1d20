// Keeps the status page up to date: the server sends the page's changing part whenever something
// changed, and new points for the charts.

import { serverNow, setServerTime, tick } from "./ages.js";
import { addPoints, draw } from "./charts.js";
import { morph } from "./morph.js";

const lost = document.getElementById("lost");

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("main");
  const main = document.getElementById("main");
  if (fresh === null || main === null) return;
  morph(main, fresh);
  setServerTime(Number(main.dataset.now));
  tick();
  document.title = main.dataset.title;
  if (main.dataset.icon) document.querySelector("link[rel=icon]").href = main.dataset.icon;
  draw();
}

async function loadPoints() {
  const answer = await fetch("/samples").catch(() => null);
  if (answer?.ok) addPoints(await answer.json());
}

function connect() {
  const events = new EventSource("/events/page");
  events.addEventListener("open", () => {
    lost.hidden = true;
    document.body.classList.remove("stale");
    loadPoints();
  });
  events.addEventListener("page", (event) => show(event.data));
  events.addEventListener("samples", (event) => addPoints(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    if (lost.hidden) {
      const at = new Date(serverNow()).toISOString().slice(11, 19);
      lost.querySelector("span").textContent = `${at} UTC`;
      lost.hidden = false;
      document.body.classList.add("stale");
    }
    // A refusal ends an event source for good; a broken connection it mends by itself.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  });
}

connect();
