import assert from "node:assert/strict";
import { closeDelimited, MisbehavingOrigin } from "./misbehaving_origin.ts";
import { Nginx } from "./nginx.ts";
import { testWith } from "./tools.ts";

testWith(["nginx"], "nginx keeps the tail of an endless answer in its buffer", async () => {
  const lines = Array.from({ length: 2_000 }, (_, i) => `{"id":${i},"updated_at":${i + 1}}\n`);
  const sent = lines.join("");
  // Of a chunked answer it passes every chunk on; of any other only full buffers.
  const behaviour = closeDelimited(sent, { end: "stall" });
  await using origin = await MisbehavingOrigin.start(behaviour);
  await using nginx = await Nginx.before(origin.url);
  const response = await fetch(`${nginx.url}/servers/0`);
  const reader = response.body?.getReader();
  let came = 0;
  const deadline = AbortSignal.timeout(1_000);
  const late = new Promise<null>((resolve) =>
    deadline.addEventListener("abort", () => resolve(null))
  );
  for (;;) {
    const read = await Promise.race([reader?.read(), late]);
    if (!read || read.done) break;
    came += read.value.length;
  }
  assert.ok(came > 0 && came < sent.length, `${came} of ${sent.length} bytes came`);
  await reader?.cancel();
});
