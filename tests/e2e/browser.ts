/**
 * A real Chromium for the status page, watched: whatever it complains of or fetches is kept.
 */

import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Debian's package; another place: `CHROMIUM=/path/to/chromium`. */
const PATHS = [Deno.env.get("CHROMIUM"), "/usr/bin/chromium", "/usr/bin/chromium-browser"];

/** Where pictures of each state go: git ignores it. */
export const PICTURES = new URL("../pictures/", import.meta.url);

/** Where Chromium is; null where there is none. */
export function findChromium(): string | null {
  for (const path of PATHS) {
    try {
      if (path !== undefined && Deno.statSync(path).isFile) return path;
    } catch {
      // Not there: try the next.
    }
  }
  return null;
}

/** A page that is watched. */
export interface Watched {
  readonly page: Page;
  /** Console errors, broken promises, refusals of the content security policy, dialogs. */
  readonly complaints: string[];
  /** Every URL that was asked for. */
  readonly fetched: string[];
  /** Takes a picture of the whole page. */
  picture(name: string): Promise<void>;
}

export class TestBrowser implements AsyncDisposable {
  #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(executablePath: string): Promise<TestBrowser> {
    const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
    return new TestBrowser(await chromium.launch({ executablePath, args }));
  }

  async open(url: string, options: BrowserContextOptions = {}): Promise<Watched> {
    const context = await this.#browser.newContext({
      viewport: { width: 1100, height: 800 },
      ...options,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const complaints: string[] = [];
    const fetched: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        complaints.push(message.text());
      }
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("dialog", (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => fetched.push(request.url()));
    await page.goto(url);
    return {
      page,
      complaints,
      fetched,
      picture: async (name) => {
        await Deno.mkdir(PICTURES, { recursive: true });
        await page.screenshot({ path: new URL(`${name}.png`, PICTURES).pathname, fullPage: true });
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
