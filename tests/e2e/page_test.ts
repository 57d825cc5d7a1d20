import assert from "node:assert/strict";
import { startStatusServer, type StatusServer } from "../../src/http/server.ts";
import { replicate, type Replicator } from "../../src/replica/replicator.ts";
import type { ReplicatorOptions } from "../../src/replica/options.ts";
import { html, MisbehavingOrigin } from "../support/misbehaving_origin.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";
import { testUnless } from "../support/tools.ts";
import { findChromium, TestBrowser, type Watched } from "./browser.ts";

const chromium = findChromium();

/** A name, and a record, that would do harm if it were ever markup. */
const HOSTILE = `<img src=x onerror="alert(1)"><script>alert(2)</script>`;

interface Running {
  readonly replicator: Replicator;
  readonly server: StatusServer;
  readonly browser: TestBrowser;
}

/** Runs a real replicator, its status server and a browser around a test. */
async function watching(
  options: Omit<ReplicatorOptions, "kv">,
  test: (running: Running) => Promise<void>,
): Promise<void> {
  if (chromium === null) return;
  await using folder = await TempFolder.create();
  await using replicator = await replicate({ kv: folder.file("replica.kv"), ...options });
  const server = await startStatusServer(replicator, { address: "127.0.0.1:0", explicit: true });
  try {
    await using browser = await TestBrowser.launch(chromium);
    await test({ replicator, server, browser });
  } finally {
    await server.close();
  }
}

/** Waits until an element's text holds the words. */
async function sees({ page }: Watched, selector: string, words: string): Promise<void> {
  await page.locator(selector).filter({ hasText: words }).first().waitFor();
}

/** Nothing went wrong in the browser, and it talked to this server alone. */
function clean(
  { complaints, fetched }: Watched,
  server: StatusServer,
  allowed: RegExp[] = [],
): void {
  const rest = complaints.filter((text) => !allowed.some((pattern) => pattern.test(text)));
  assert.deepEqual(rest, []);
  for (const url of fetched) assert(url.startsWith(server.url) || url.startsWith("data:"), url);
}

const reason = chromium === null
  ? "Chromium is missing: apt-get install chromium, or set CHROMIUM"
  : null;
const live = (name: string, test: () => Promise<void>) => testUnless(reason, name, test);

live("the page fills as rows arrive, without being loaded again", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await watching({ sources: [{ url: origin.url }] }, async ({ server, browser }) => {
    const seen = await browser.open(server.url);
    await sees(seen, "h1", "servers is live");
    await seen.page.evaluate("document.body.dataset.same = 'yes'");
    await seen.page.locator("summary", { hasText: "Records received" }).click();
    for (let id = 2; id <= 1234; id++) origin.table.put({ id, name: `web-${id}` });
    await sees(seen, ".figure", "1,234");
    assert.equal(await seen.page.title(), "servers is live · lockstep-replicate");
    // Same document, and what the reader unfolded stays so.
    assert.equal(await seen.page.evaluate("document.body.dataset.same"), "yes");
    assert(await seen.page.locator("details[open]", { hasText: "Records received" }).isVisible());
    await seen.picture("live-light");
    clean(seen, server);
  });
});

live("a failing origin shows within two seconds, and so does its recovery", async () => {
  await using first = startTestOrigin({ rows: [{ id: 1 }] });
  const port = Number(new URL(first.url).port);
  await watching({ sources: [{ url: first.url }] }, async ({ server, browser }) => {
    const seen = await browser.open(server.url, { colorScheme: "dark" });
    await sees(seen, "h1", "is live");
    let origin = first;
    const times: number[] = [];
    // A loaded machine may be late once; a page that is slow by itself is late each time.
    for (let round = 0; round < 3 && !times.some((ms) => ms < 2000); round++) {
      const { table } = origin;
      const began = performance.now();
      await origin.stop();
      await sees(seen, "h1", "waits for its origin");
      times.push(performance.now() - began);
      if (round === 0) await seen.picture("waiting-dark");
      await sees(seen, ".trouble", "Next attempt");
      origin = startTestOrigin({ table, port });
      origin.table.put({ id: round + 2 });
      await sees(seen, "h1", "is live");
      await sees(seen, ".figure", String(round + 2));
    }
    await origin.stop();
    assert(times.some((ms) => ms < 2000), `shown after ${times.map(Math.round).join(", ")} ms`);
    clean(seen, server);
  });
});

live("charts draw, and a lost connection to the replicator says so", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await watching({ sources: [{ url: origin.url }] }, async ({ server, browser }) => {
    const seen = await browser.open(server.url);
    await seen.page.locator(".u-wrap canvas").nth(1).waitFor();
    await sees(seen, ".u-legend", "median");
    assert(await seen.page.locator("#lost").isHidden());
    clean(seen, server);
    await server.close();
    await seen.page.locator("#lost").waitFor({ state: "visible" });
    await seen.picture("lost");
  });
});

live("the record browser pages, finds a row by its key, and tells a deletion", async () => {
  const rows = Array.from({ length: 120 }, (_, i) => ({ id: i + 1, name: `web-${i + 1}` }));
  await using origin = startTestOrigin({ rows });
  await watching({ sources: [{ url: origin.url }] }, async ({ server, browser }) => {
    const seen = await browser.open(server.url);
    await sees(seen, "h1", "is live");
    origin.table.remove(7);
    await sees(seen, ".figure", "119");
    await seen.page.getByRole("link", { name: "Browse the records" }).click();
    await sees(seen, ".records", "web-50");
    await seen.picture("records");
    await seen.page.getByRole("link", { name: "Next 50" }).click();
    await sees(seen, ".records", "web-101");
    await seen.page.getByLabel("id").fill("77");
    await seen.page.getByRole("button", { name: "Look up" }).click();
    await sees(seen, "pre", '"name": "web-77"');
    await seen.picture("record");
    await seen.page.getByLabel("id").fill("7");
    await seen.page.keyboard.press("Enter");
    await sees(seen, "h2", "7 is deleted");
    await seen.picture("tombstone");
    clean(seen, server, [/404/]);
  });
});

live("a held sweep is approved, and a resync asked for, with and without a script", async () => {
  for (const javaScriptEnabled of [true, false]) {
    const rows = Array.from({ length: 20 }, (_, i) => ({ id: i + 1 }));
    await using origin = startTestOrigin({ rows, finite: true });
    const options = { sources: [{ url: origin.url }], pollMs: 50 };
    await watching(options, async ({ replicator, server, browser }) => {
      const seen = await browser.open(server.url, { javaScriptEnabled });
      const see = async (selector: string, words: string) => {
        while (!javaScriptEnabled) {
          const texts = await seen.page.locator(selector).allTextContents();
          if (texts.some((text) => text.includes(words))) return;
          await seen.page.goto(server.url);
        }
        await sees(seen, selector, words);
      };
      await see("h1", "is live");
      for (let id = 3; id <= 20; id++) origin.table.forget(id);
      await seen.page.locator("summary", { hasText: "Resync" }).click();
      await seen.page.getByRole("button", { name: "Start the resync" }).click();
      await see(".trouble", "18 of 20");
      assert.equal(replicator.status().tables[0]?.rows, 20);
      if (javaScriptEnabled) await seen.picture("held-light");
      await seen.page.getByRole("button", { name: "Remove 18 of 20 rows" }).click();
      await see(".figure .value", "2");
      while (replicator.status().tables[0]?.sweep !== null) await seen.page.waitForTimeout(20);
      assert.equal(replicator.status().tables[0]?.rows, 2);
      clean(seen, server);
    });
  }
});

live("no script runs from a hostile record, table name or error text", async () => {
  await using origin = startTestOrigin({
    rows: [{ id: HOSTILE, [HOSTILE]: HOSTILE }, { id: "</pre><script>alert(3)</script>" }],
  });
  await using liar = await MisbehavingOrigin.start(html(`text/html; x="${HOSTILE}"`));
  const sources = [{ url: origin.url, table: HOSTILE }, { url: `${liar.url}/liar` }];
  await watching({ sources }, async ({ server, browser }) => {
    const seen = await browser.open(server.url, { viewport: { width: 360, height: 740 } });
    await sees(seen, ".card h2", "<script>alert(2)</script>");
    await sees(seen, ".card .figure", "2");
    await sees(seen, ".trouble", "text/html");
    await seen.picture("hostile-narrow");
    const overflow = await seen.page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    assert.equal(overflow, 0, "readable at 360 px without scrolling sideways");
    await seen.page.getByRole("link", { name: "Browse the records" }).first().click();
    await sees(seen, ".records", "alert(3)");
    await seen.page.locator(".records a").first().click();
    await sees(seen, "pre", "alert");
    assert.equal(await seen.page.locator("main script, main img").count(), 0);
    clean(seen, server);
  });
});
