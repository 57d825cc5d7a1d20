/**
 * JSON for people: indented, integers exact.
 *
 * @module
 */

import { stringifyJson } from "../../protocol/json_text.ts";
import type { JsonValue } from "../../protocol/record.ts";

/** Deeper than this nobody reads, and the stack has an end. */
const MAX_INDENT = 2 * 50;

/** Indents a value by two spaces a level. */
export function prettyJson(value: JsonValue, indent = ""): string {
  if (indent.length > MAX_INDENT) return stringifyJson(value);
  const deeper = indent + "  ";
  if (Array.isArray(value) && value.length > 0) {
    const items = value.map((item) => deeper + prettyJson(item, deeper));
    return `[\n${items.join(",\n")}\n${indent}]`;
  }
  if (value !== null && typeof value === "object" && Object.keys(value).length > 0) {
    const items = Object.entries(value).map(([name, item]) =>
      `${deeper}${JSON.stringify(name)}: ${prettyJson(item as JsonValue, deeper)}`
    );
    return `{\n${items.join(",\n")}\n${indent}}`;
  }
  return stringifyJson(value);
}
