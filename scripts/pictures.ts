/**
 * Makes the README's picture of the status page: a real replicator and a real browser, watched for
 * a quarter of an hour that goes by in half a minute.
 *
 *     deno run -A scripts/pictures.ts
 *
 * @module
 */

import { chromium } from "playwright-core";
import type { Clock } from "../src/base/clock.ts";
import { startStatusServer } from "../src/http/server.ts";
import { replicate } from "../src/replica/replicator.ts";
import { startOrigin } from "./origin/server.ts";
import { OriginTable } from "./origin/table.ts";

const CHROMIUM = Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium";
const PICTURE = new URL("./status-page.png", import.meta.url).pathname;

/** How much faster than the world's the replicator's time goes. */
const SPEED = 30;
const WATCHED_MS = 15 * 60_000;

const began = Date.now();
const ended = began - WATCHED_MS;
const clock: Clock = {
  // Ends at the true time.
  now: () => ended + (Date.now() - began) * SPEED,
  monotonic: () => performance.now() * SPEED,
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, ms / SPEED);
      signal?.addEventListener("abort", stop, { once: true });
    }),
};

const ROWS = [8412, 21_307, 1650];
const names = ["servers", "accounts", "audit-log"] as const;
const tables = Object.fromEntries(
  names.map((name) => [name, new OriginTable({ clock: () => Math.floor(clock.now()) })]),
);
for (const [i, table] of Object.values(tables).entries()) {
  for (let id = 1; id <= (ROWS[i] ?? 0); id++) table.put({ id, name: `web-${id}` });
}
const origin = startOrigin({ tables, heartbeatMs: 300 });
const folder = await Deno.makeTempDir();
const replicator = await replicate({
  sources: names.map((name) => ({ url: origin.url(name) })),
  kv: `${folder}/replica.kv`,
  clock,
});
const server = await startStatusServer(replicator, {
  address: "127.0.0.1:0",
  explicit: true,
  clock,
});

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1000, height: 760 } });
await page.goto(server.url);

// Some life: each table at its own pace, with a rush in the middle.
while (clock.now() < Date.now()) {
  const part = (clock.now() - ended) / WATCHED_MS;
  const rush = part > 0.55 && part < 0.65 ? 4 : 1;
  for (const [i, table] of Object.values(tables).entries()) {
    const writes = Math.round(
      (2 + 3 * i) * rush * (1.3 + Math.sin(part * 12 + i)) * (0.6 + Math.random()),
    );
    for (let n = 0; n < writes * 4; n++) table.put({ id: 1 + Math.floor(Math.random() * 1600) });
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}

await page.locator(".u-wrap canvas").first().waitFor();
await page.screenshot({ path: PICTURE });
await browser.close();
await server.close();
await replicator.stop();
await origin.stop();
await Deno.remove(folder, { recursive: true });
console.log(`wrote ${PICTURE}, ${Deno.statSync(PICTURE).size} bytes`);
