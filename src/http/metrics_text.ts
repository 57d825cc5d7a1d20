/**
 * Metrics in Prometheus' text format, version 0.0.4.
 *
 * @module
 */

import type { ProcessStatus } from "../replica/status.ts";
import { type Labels, metricsOf } from "./metrics.ts";

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Writes all metrics. */
export function metricsText(status: ProcessStatus): string {
  const out: string[] = [];
  for (const { name, type, help, lines } of metricsOf(status)) {
    if (lines.length === 0) continue;
    out.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value, suffix = ""] of lines) {
      out.push(`${name}${suffix}${labelText(labels)} ${numberText(value)}`);
    }
  }
  return out.join("\n") + "\n";
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escapeLabel(value: string): string {
  // The format is read line by line: a carriage return would be kept, other controls are legal.
  return value.toWellFormed().replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return Number.isNaN(value) ? "NaN" : String(value);
}
