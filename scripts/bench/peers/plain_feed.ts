/**
 * What a feed costs at the least: a plain Deno program with Deno.serve and nothing around it.
 *
 * ```sh
 * deno run -A --unstable-kv plain_feed.ts list FILE    # /?rows=N: so many rows of the store as lines
 * deno run -A --unstable-kv plain_feed.ts relay URL    # passes an origin's new records on, stores nothing
 * ```
 *
 * Prints where it listens.
 *
 * @module
 */

const [role = "list", from = ""] = Deno.args;

/** Characters of a chunk: as many bytes as the feed sends at a time. */
const CHUNK = 64 * 1024;

type Body = ReadableStream<Uint8Array<ArrayBuffer>>;

const encoder = new TextEncoder();

function listRows(kv: Deno.Kv, limit: number): Body {
  const rows = kv.list({ prefix: ["servers"] }, { limit, batchSize: 1000 });
  return new ReadableStream({
    async pull(controller) {
      let text = "";
      while (text.length < CHUNK) {
        const { done, value } = await rows.next();
        if (done) {
          if (text !== "") controller.enqueue(encoder.encode(text));
          return controller.close();
        }
        text += JSON.stringify(value.value) + "\n";
      }
      controller.enqueue(encoder.encode(text));
    },
  }, { highWaterMark: 0 });
}

const readers = new Set<ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>>();

function relayed(): Body {
  let own: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  return new ReadableStream({
    start(controller) {
      own = controller;
      readers.add(own);
      // As in the feed: here the live part begins.
      own.enqueue(encoder.encode("\n"));
    },
    cancel: () => void readers.delete(own),
  });
}

async function relay(url: string): Promise<void> {
  const response = await fetch(`${url}/${Date.now()}`);
  for await (const bytes of response.body ?? []) {
    for (const reader of readers) reader.enqueue(bytes);
  }
}

const kv = role === "list" ? await Deno.openKv(from) : null;
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
  const rows = Number(new URL(request.url).searchParams.get("rows"));
  return new Response(kv === null ? relayed() : listRows(kv, rows));
});
console.log(`http://127.0.0.1:${server.addr.port}`);
if (kv === null) await relay(from);
