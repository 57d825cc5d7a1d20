/**
 * Everything a page needs besides its HTML, embedded in the program: style, scripts, the charts'
 * library, and the tab's icon. The path carries a hash of the contents, so browsers may keep them.
 *
 * @module
 */

import uplotCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplotJs from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import ageJs from "./assets/age.js" with { type: "text" };
import agesJs from "./assets/ages.js" with { type: "text" };
import chartsJs from "./assets/charts.js" with { type: "text" };
import mainJs from "./assets/main.js" with { type: "text" };
import morphJs from "./assets/morph.js" with { type: "text" };
import pageCss from "./assets/page.css" with { type: "text" };
import type { Tone } from "./view/words.ts";

const ASSETS = {
  "age.js": ageJs,
  "ages.js": agesJs,
  "charts.js": chartsJs,
  "main.js": mainJs,
  "morph.js": morphJs,
  "page.css": pageCss,
  "uplot.css": uplotCss,
  "uplot.js": uplotJs,
} as const;

export type AssetName = keyof typeof ASSETS;

let folder = "";

/** FNV-1a over all of them: names a version, guards nothing. */
function version(): string {
  let hash = 0x811c9dc5;
  for (const text of Object.values(ASSETS)) {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** Where an asset is served. The scripts import each other by name, so they share a folder. */
export function assetPath(name: AssetName): string {
  folder ||= version();
  return `/assets/${folder}/${name}`;
}

/** The answer to a path below `/assets/`; null where there is none. */
export function assetResponse(path: string): Response | null {
  const name = Object.keys(ASSETS).find((asset) => path === assetPath(asset as AssetName));
  if (name === undefined) return null;
  const type = name.endsWith(".css") ? "text/css" : "text/javascript";
  return new Response(ASSETS[name as AssetName], {
    headers: {
      "content-type": `${type}; charset=utf-8`,
      "cache-control": "private, max-age=31536000, immutable",
    },
  });
}

const ICON_COLOURS: Readonly<Record<Tone, string>> = {
  ok: "%231f8a53",
  busy: "%233574d6",
  warn: "%23d08700",
  bad: "%23d13a30",
};

/** The tab's icon: two bars in step, in the colour of the state. */
export function icon(tone: Tone): string {
  const rect = (x: number) => `%3Crect x='${x}' y='4' width='9' height='24' rx='3'/%3E`;
  return "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' " +
    `fill='${ICON_COLOURS[tone]}'%3E${rect(5)}${rect(18)}%3C/svg%3E`;
}
