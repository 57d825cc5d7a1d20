import assert from "node:assert/strict";
import { connect } from "node:net";
import { RECORDS_2011, start2011 } from "../../scripts/origin/reference_2011.ts";

/** The raw answer to a request, until `enough` says so. */
function rawAnswer(port: number, path: string, enough: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: origin\r\n\r\n`);
    });
    socket.on("error", reject);
    socket.on("data", (data) => {
      text += data.toString();
      if (enough(text)) socket.destroy();
    });
    socket.on("close", () => resolve(text));
  });
}

Deno.test("the 2011 origin writes its six objects for ever, a chunk each, with nothing between", async () => {
  await using server = await start2011();
  const texts = RECORDS_2011.map((record) => JSON.stringify(record));
  assert.equal(
    texts[0],
    '{"id":123,"updated_at":999,"deleted_at":null,"ip":"0.0.0.0","port":1234}',
  );
  assert.equal(
    texts[5],
    '{"id":124,"updated_at":1000,"deleted_at":1000,"ip":"0.0.0.0","port":1236}',
  );
  const times = (text: string, part: string) => text.split(part).length - 1;
  const answer = await rawAnswer(
    server.port,
    "/servers/998",
    (text) => texts.every((part) => times(text, part) >= 3),
  );
  const [head = "", ...rest] = answer.split("\r\n\r\n");
  assert.match(head, /^HTTP\/1\.1 200 /);
  assert.match(head, /content-type: text\/plain(\r|$)/im);
  assert.match(head, /transfer-encoding: chunked/i);
  const chunks = rest.join("\r\n\r\n").split("\r\n").slice(0, -2);
  for (let at = 0; at + 1 < chunks.length; at += 2) {
    const [size = "", text = ""] = chunks.slice(at, at + 2);
    assert.equal(parseInt(size, 16), text.length);
    assert.ok(texts.includes(text), text);
  }
  assert.deepEqual(server.requests, ["/servers/998"]);
});

Deno.test("the 2011 origin is deaf to the cursor and takes any path", async () => {
  await using server = await start2011();
  for (const path of ["/", "/anything/5000", "/servers?since=9999"]) {
    await rawAnswer(server.port, path, (text) => text.includes('"id":123'));
  }
  assert.equal(server.requests.length, 3);
});
