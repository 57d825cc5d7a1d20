/**
 * A chart's place in the page: a still sketch that the server draws, which the page's script
 * replaces with a live chart.
 *
 * @module
 */

import type { FC } from "hono/jsx";
import type { Sample } from "../../replica/status.ts";
import { rateText, shortSpanText } from "./format.ts";

/** The charts reach back so far, in milliseconds. */
export const CHART_MS = 15 * 60_000;

const WIDTH = 600, HEIGHT = 120;

export interface ChartProps {
  readonly table: string;
  readonly kind: "rate" | "commit";
  readonly now: number;
  /** Left out where only a script will look: it has the samples already. */
  readonly samples?: readonly Sample[] | undefined;
}

const TITLES = { rate: "Records a second", commit: "Commit time" } as const;

export const Chart: FC<ChartProps> = ({ table, kind, now, samples }) => (
  <figure class="chart">
    <figcaption>
      {TITLES[kind]} <span class="muted">last 15 minutes</span>
    </figcaption>
    <div class="plot" data-chart={kind} data-table={table}>
      {samples === undefined ? "" : <Sketch kind={kind} now={now} samples={samples} />}
    </div>
  </figure>
);

const Sketch: FC<{ kind: ChartProps["kind"]; now: number; samples: readonly Sample[] }> = (
  { kind, now, samples },
) => {
  const recent = samples.filter((sample) => sample.time > now - CHART_MS);
  const value = (sample: Sample) => kind === "rate" ? sample.recordsPerSecond : sample.commitMs;
  const top = Math.max(1e-9, ...recent.map((sample) => value(sample) ?? 0));
  let path = "", pen = "M";
  for (const sample of recent) {
    const y = value(sample);
    if (y === null) {
      pen = "M";
      continue;
    }
    const left = WIDTH * (1 - (now - sample.time) / CHART_MS);
    path += `${pen}${left.toFixed(1)} ${(HEIGHT - 4 - (HEIGHT - 12) * y / top).toFixed(1)}`;
    pen = "L";
  }
  if (path === "") return <p class="muted empty">No samples yet.</p>;
  const highest = kind === "rate" ? `${rateText(top)} a second` : shortSpanText(top / 1000);
  return (
    <>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${TITLES[kind]}, at most ${highest}`}
      >
        <path d={path} fill="none" vector-effect="non-scaling-stroke" />
      </svg>
      <p class="muted peak">at most {highest}</p>
    </>
  );
};
