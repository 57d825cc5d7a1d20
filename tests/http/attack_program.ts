/**
 * A status server of its own process, whose descriptors can be used up: `full` on standard input
 * opens all that are left, `free` closes them again.
 */

import { startStatusServer } from "../../src/http/server.ts";
import { StandIn } from "./stand_in.ts";

// Deno sets its signals up when they are first needed, and panics where it has no descriptor for it.
Deno.addSignalListener("SIGHUP", () => {});
await using host = await StandIn.open("servers");
const server = await startStatusServer(host, {
  address: "127.0.0.1:0",
  explicit: true,
  onError: ({ message }) => console.log(`error: ${message}`),
});
console.log(server.url);
const open: Deno.FsFile[] = [];
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  if (text.startsWith("full")) {
    try {
      while (true) open.push(Deno.openSync("/dev/null"));
    } catch {
      console.log("full");
    }
  } else {
    for (const file of open.splice(0)) file.close();
    console.log("free");
  }
}
await server.close();
