/**
 * The frame of every page.
 *
 * @module
 */

import type { Child, FC } from "hono/jsx";
import { raw } from "hono/html";
import { assetPath, icon } from "../assets.ts";
import type { Tone } from "./words.ts";

export interface LayoutProps {
  readonly title: string;
  readonly tone?: Tone;
  /** Whether the page keeps itself up to date. */
  readonly live?: boolean;
  readonly children?: Child;
}

const Layout: FC<LayoutProps> = ({ title, tone = "ok", live = false, children }) => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <title>{title}</title>
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <link rel="icon" href={icon(tone)} />
      <link rel="stylesheet" href={assetPath("uplot.css")} />
      <link rel="stylesheet" href={assetPath("page.css")} />
      {live
        ? (
          <>
            <noscript>
              <meta http-equiv="refresh" content="5" />
            </noscript>
            <script defer src={assetPath("uplot.js")}></script>
            <script type="module" src={assetPath("main.js")}></script>
          </>
        )
        : <script type="module" src={assetPath("ages.js")}></script>}
    </head>
    <body>
      <a class="skip" href="#main">To the content</a>
      <header class="top">
        <a class="brand" href="/">lockstep-replicate</a>
        <nav aria-label="Other views">
          <a href="/status">status</a> <a href="/metrics">metrics</a> <a href="/readyz">readyz</a>
        </nav>
      </header>
      {live
        ? (
          <p id="lost" class="lost" role="alert" hidden>
            No connection to the replicator. What you see is from{" "}
            <span></span>; it is tried again all the time.
          </p>
        )
        : ""}
      {children}
    </body>
  </html>
);

/** A whole page as HTML text. */
export function page(props: LayoutProps): string {
  return String(
    <>
      {raw("<!doctype html>")}
      <Layout {...props} />
    </>,
  );
}
