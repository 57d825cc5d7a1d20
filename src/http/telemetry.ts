/**
 * The metrics by OpenTelemetry, through Deno's own exporter: `OTEL_DENO=true` and the usual
 * `OTEL_…` variables. A span for every request to the origin comes from Deno itself.
 *
 * @module
 */

import type { ProcessStatus } from "../replica/status.ts";
import { type Labels, type Metric, metricsOf } from "./metrics.ts";

/** What is used of OpenTelemetry's API; Deno's types leave it open. */
interface Observer {
  observe(instrument: Instrument, value: number, attributes: Labels): void;
}
interface Instrument {
  readonly kind?: unknown;
}
interface Meter {
  createObservableGauge(name: string, options: { description: string }): Instrument;
  createObservableCounter(name: string, options: { description: string }): Instrument;
  addBatchObservableCallback(callback: (result: Observer) => void, all: Instrument[]): void;
  removeBatchObservableCallback(callback: (result: Observer) => void, all: Instrument[]): void;
}

/**
 * Starts to export the process' metrics; returns how to stop. Does nothing where Deno was started
 * without `OTEL_DENO=true`. The commit histogram goes out as its sum and its count.
 */
export function exportMetrics(status: () => ProcessStatus): () => void {
  if (!telemetryIsOn()) return () => {};
  const meter: Meter = Deno.telemetry.meterProvider.getMeter("lockstep-replicate");
  const instruments = new Map<string, Instrument>();
  for (const metric of metricsOf(status())) {
    const options = { description: metric.help };
    for (const [name, type] of namesOf(metric)) {
      instruments.set(
        name,
        type === "gauge"
          ? meter.createObservableGauge(name, options)
          : meter.createObservableCounter(name, options),
      );
    }
  }
  const all = [...instruments.values()];
  const observe = (result: Observer) => {
    for (const { name, lines } of metricsOf(status())) {
      for (const [labels, value, suffix = ""] of lines) {
        const instrument = instruments.get(name + suffix);
        if (instrument !== undefined) result.observe(instrument, value, labels);
      }
    }
  };
  meter.addBatchObservableCallback(observe, all);
  return () => meter.removeBatchObservableCallback(observe, all);
}

function namesOf({ name, type }: Metric): [name: string, type: "gauge" | "counter"][] {
  return type === "histogram"
    ? [[`${name}_sum`, "counter"], [`${name}_count`, "counter"]]
    : [[name, type]];
}

function telemetryIsOn(): boolean {
  try {
    return Deno.env.get("OTEL_DENO") === "true";
  } catch {
    return false; // Not allowed to look: then nobody set it for us either.
  }
}
