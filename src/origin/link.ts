/**
 * `Link: <…>; rel="next"` (RFC 8288): where the next page of an answer is.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";
import { printableUrl } from "./printable.ts";

/** One link: its target, and its parameters as they stand. */
const LINK = /<([^>]*)>((?:\s*;\s*[^,;"=\s]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^",;\s]*))?)*)/g;

/** One parameter of a link. */
const PARAMETER = /;\s*([^,;"=\s]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",;\s]*)))?/g;

/** The relations of a link, by its parameters; the first `rel` counts. */
function relationsOf(parameters: string): readonly string[] {
  for (const [, name = "", quoted, plain] of parameters.matchAll(PARAMETER)) {
    if (name.toLowerCase() === "rel") return (quoted ?? plain ?? "").toLowerCase().split(/\s+/);
  }
  return [];
}

/**
 * The URL of the next page; null where the header names none.
 *
 * @param answering the URL that answered, which a relative link is relative to
 * @param origin scheme, host and port of the endpoint: pages are read from there alone
 * @throws {LockstepError} `redirect` for a page on another server: without it the answer isn't whole
 */
export function nextPage(header: string | null, answering: URL, origin: string): string | null {
  if (header === null) return null;
  for (const [, target = "", parameters = ""] of header.matchAll(LINK)) {
    if (!relationsOf(parameters).includes("next")) continue;
    const url = URL.canParse(target, answering) ? new URL(target, answering) : null;
    if (url !== null && url.origin === origin && url.username === "" && url.password === "") {
      url.hash = "";
      return url.href;
    }
    throw new LockstepError(
      `${printableUrl(answering)} links to a next page ${
        url === null ? "that is no URL" : `at ${printableUrl(url)}, on another server`
      }`,
      {
        kind: "redirect",
        retry: "slow",
        hint: "pages are read from the endpoint's own scheme, host and port: mend the origin's " +
          "Link header, or give the address that it names as --url",
      },
    );
  }
  return null;
}
