/**
 * An origin that sends what a test tells it to, when it tells it: one endless answer to each
 * request, without a heartbeat.
 *
 * @module
 */

import { stringifyJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import { chunk, head } from "./behaviours.ts";
import type { Conversation } from "./conversation.ts";
import { MisbehavingOrigin } from "./misbehaving_origin.ts";
import { waitFor } from "./wait_for.ts";

export class ToldOrigin implements AsyncDisposable {
  readonly #origin: MisbehavingOrigin;
  readonly #conversations: Conversation[];

  private constructor(origin: MisbehavingOrigin, conversations: Conversation[]) {
    this.#origin = origin;
    this.#conversations = conversations;
  }

  static async start(): Promise<ToldOrigin> {
    const conversations: Conversation[] = [];
    const origin = await MisbehavingOrigin.start(async (conversation) => {
      await conversation.send(head(200, { "transfer-encoding": "chunked" }));
      conversations.push(conversation);
      await conversation.stall();
    });
    return new ToldOrigin(origin, conversations);
  }

  get url(): string {
    return `${this.#origin.url}/servers`;
  }

  /** Resolves when there have been so many answers. */
  async answers(count: number): Promise<void> {
    await waitFor(() => this.#conversations.length >= count, `answer ${count}`);
  }

  /** Sends records, or text, with the latest answer. */
  async send(...lines: readonly (JsonObject | string)[]): Promise<void> {
    const text = lines.map((line) => typeof line === "string" ? line : stringifyJson(line));
    await this.#conversations.at(-1)?.send(chunk(text.join("\n") + "\n"));
  }

  /** Breaks the latest answer off. */
  cut(): void {
    this.#conversations.at(-1)?.reset();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#origin.close();
  }
}
