/**
 * Is this text the beginning of a JSON value? Tells a value that the end of a body cut (ask again)
 * from a last line that never was JSON (quarantine it).
 *
 * @module
 */

/** A whole JSON value that is neither an object, an array, nor a string. */
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
/** The beginning of a number; a whole one too. */
const NUMBER_PREFIX =
  /^-?(?:(?:0|[1-9]\d*)(?:\.(?:\d+(?:[eE](?:[+-]?\d*)?)?)?|[eE](?:[+-]?\d*)?)?)?$/;
/** Everything up to the next blank or mark; what a number or a literal is made of. */
const WORD = /[^\s{}[\]",:]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const ESCAPE_PREFIX = /^\\(?:u[0-9a-fA-F]{0,3})?$/;

/** Whether the text is a number, `true`, `false` or `null`, and nothing else. */
export function isScalar(text: string): boolean {
  return SCALAR.test(text);
}

/** What may come next: a value, a name (`end`: or the closing mark), and so on. */
type Expected = "value" | "value or end" | "name" | "name or end" | "colon" | "comma or end";

/**
 * Whether some text can be added so that all of it is one JSON value.
 *
 * A whole value passes as well. Time is linear and nothing recurses.
 */
export function isJsonPrefix(text: string): boolean {
  const closers: string[] = [];
  let expected: Expected = "value";
  let at = 0;
  while (at < text.length) {
    const mark = text.charAt(at);
    if (" \t\r\n".includes(mark)) {
      at++;
      continue;
    }
    if (expected === "comma or end") {
      if (mark === closers.at(-1)) closers.pop();
      else if (mark !== "," || closers.length === 0) return false;
      else expected = closers.at(-1) === "}" ? "name" : "value";
      at++;
      continue;
    }
    if (expected === "colon") {
      if (mark !== ":") return false;
      expected = "value";
      at++;
      continue;
    }
    if (expected.endsWith("or end") && mark === closers.at(-1)) {
      closers.pop();
      expected = "comma or end";
      at++;
      continue;
    }
    if (mark === '"') {
      at = endOfString(text, at);
      if (at < 0) return false;
      expected = expected.startsWith("name") ? "colon" : "comma or end";
      continue;
    }
    if (expected.startsWith("name")) return false;
    if (mark === "{" || mark === "[") {
      closers.push(mark === "{" ? "}" : "]");
      expected = mark === "{" ? "name or end" : "value or end";
      at++;
      continue;
    }
    WORD.lastIndex = at;
    const word = WORD.exec(text)?.[0] ?? "";
    at += word.length;
    if (at === text.length ? !isScalarPrefix(word) : !isScalar(word)) return false;
    expected = "comma or end";
  }
  return true;
}

function isScalarPrefix(word: string): boolean {
  return word !== "" &&
    (NUMBER_PREFIX.test(word) || ["true", "false", "null"].some((name) => name.startsWith(word)));
}

/** Index after the string that begins at `from`; the text's length when it is cut; -1 when it isn't one. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (code < 0x20) return -1;
    if (code !== 0x5c) {
      at++;
      continue;
    }
    ESCAPE.lastIndex = at;
    const escape = ESCAPE.exec(text);
    if (escape === null) return ESCAPE_PREFIX.test(text.slice(at)) ? text.length : -1;
    at += escape[0].length;
  }
  return at;
}
