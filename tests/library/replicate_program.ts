/**
 * A program that embeds the replicator: options as JSON in its argument.
 *
 * With `"dieAt": N` it dies by SIGKILL when it is told of the N-th commit; each line of its output
 * is one commit that it was told of before.
 *
 * @module
 */

import { replicate, stringifyJson } from "../../src/mod.ts";

const { dieAt = Infinity, ...options } = JSON.parse(Deno.args[0] ?? "{}");
let commits = 0;
await using replicator = await replicate({
  ...options,
  ...(dieAt === Infinity ? {} : {
    onCommit: ({ changes }) => {
      if (++commits === dieAt) Deno.kill(Deno.pid, "SIGKILL");
      console.log(stringifyJson(changes.map(({ key }) => [...key])));
    },
  }),
});
await replicator.done;
