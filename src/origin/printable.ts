/**
 * URLs as logs, status and errors may show them: without anything that could be a secret.
 *
 * Credentials and fragment are left out. The value of a query parameter is shown only where its
 * name doesn't sound like a secret and the value is short and plain, or a time; else it becomes
 * `…`.
 *
 * @module
 */

/** Wide, for display: hiding too much costs little. */
const SUSPECT_NAME =
  /tok|key|secret|sig|pass|pwd|pw$|auth|cred|code|sess|sid|jwt|bearer|cookie|hmac|hash|nonce|otp|pin|^[tks]$/i;
/** Narrow, for what two origins may differ in without being two. */
const SECRET_NAME =
  /^(x-amz-.*|(.*[._-])?(token|secret|signature|sig|password|passwd|pwd|jwt|auth|authorization)|(.*[._-])?(api|access|auth)[._-]?(key|token)|key)$/i;
const PLAIN_VALUE = /^[\w.,:+ -]{0,16}$/;
const TIME_VALUE = /^\d{4}-\d\d-\d\d[T ]?[\d:.,+Zz-]{0,24}$/;

/** A parameter without a name: a flag such as `?live`, but no `?s3cret`. */
const FLAG = /^[a-z_-]{0,16}$/i;

/** What stands where a value is not shown. */
export const HIDDEN = "…";

/** True where a query parameter may be shown. */
export function isShown(name: string, value: string): boolean {
  if (name === "") return FLAG.test(value);
  return !SUSPECT_NAME.test(name) && (PLAIN_VALUE.test(value) || TIME_VALUE.test(value));
}

/** True where a parameter of this name is certainly a secret, not a part of what is asked for. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/**
 * Rewrites the values of a query string.
 *
 * @param search the query with its `?`, or an empty string
 * @param show the text for one value; both are percent-encoded as they stand in the URL
 */
export function mapQuery(search: string, show: (name: string, value: string) => string): string {
  if (search.length <= 1) return "";
  return "?" + search.slice(1).split("&").map((pair) => {
    const at = pair.indexOf("=");
    // A parameter without a name is a value: `?998`, or `?s3cret`.
    if (at < 0) return show("", pair);
    const name = pair.slice(0, at);
    return `${name}=${show(name, pair.slice(at + 1))}`;
  }).join("&");
}

/**
 * A parsed URL without credentials, fragment, and the values of its query that aren't shown.
 *
 * @param always a value that is shown whatever its name
 */
export function printableUrl(url: URL, always?: string): string {
  return url.origin + url.pathname + mapQuery(
    url.search,
    (name, value) => value === always || isShown(name, decoded(value)) ? value : HIDDEN,
  );
}

/** Text that should have been a URL: everything before the last `@` and after the first `?` is hidden. */
export function printableText(text: string): string {
  const query = text.search(/[?#]/);
  const bare = query < 0 ? text : `${text.slice(0, query)}?${HIDDEN}`;
  // The whole text is searched: an unencoded `?` or `#` in a password must not save its first part.
  const at = text.lastIndexOf("@");
  if (at < 0) return bare;
  const scheme = /^[a-z][a-z\d+.-]*:\/\//i.exec(text)?.[0] ?? "";
  const rest = text.slice(at + 1);
  const restQuery = rest.search(/[?#]/);
  return `${scheme}${HIDDEN}@${restQuery < 0 ? rest : `${rest.slice(0, restQuery)}?${HIDDEN}`}`;
}

/** Percent-decoded as far as it can be. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
