/**
 * The page's changing part as text, for the event stream.
 *
 * @module
 */

import type { ProcessStatus } from "../../replica/status.ts";
import { Overview } from "./overview.tsx";

/** Without the charts' sketches: who listens draws charts of its own. */
export function renderOverview(
  status: ProcessStatus,
  now: number,
  maxStalenessMs?: number,
): string {
  return String(<Overview status={status} now={now} maxStalenessMs={maxStalenessMs} />);
}
