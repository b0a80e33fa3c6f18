// An HTTP server for files that can be told to misbehave. It writes the protocol itself, on a bare socket: so it breaks
// off at the byte it was told to, in every runtime.

import { createHash } from "node:crypto";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What is done with a request; what is left out is done as it should be. */
export interface Behaviour {
  /** Closes the connection without an answer. */
  readonly silent?: boolean;
  /** Closes the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Sends nothing more after so many bytes of the body, or -1: nothing at all; and leaves the connection open. */
  readonly stallAfter?: number;
  /** Waits so many milliseconds after each 16 KiB. */
  readonly slow?: number;
  /** Answers with this status and a short text. */
  readonly status?: string;
  /** Sends the whole file whatever is asked for. */
  readonly ignoreRange?: boolean;
  /** Looks at no `If-Range`. */
  readonly ignoreCondition?: boolean;
  /** Answers a range as if it had been asked to begin there. */
  readonly start?: number;
  /** Serves this as the file. */
  readonly content?: Uint8Array;
  /** Other headers; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** A request as it came. */
export interface Received {
  readonly path: string;
  /** The first byte of the range that it asks for. */
  readonly from: number | null;
  readonly condition: string | null;
}

/** A server that runs. */
export interface FileServer {
  readonly url: string;
  readonly requests: Received[];
  /** How many bytes of bodies it has sent. */
  sent: number;
  /** For the next requests, one each. */
  plan: Behaviour[];
  /** For the others. */
  always: Behaviour;
  close(): Promise<void>;
}

const PIECE = 1 << 14;

/** Serves files by their paths, `/NAME`. */
export async function serve(files: Readonly<Record<string, Uint8Array>>): Promise<FileServer> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let head = "";
    socket.setEncoding("latin1").on("data", (text: unknown) => {
      const before = head.includes("\r\n\r\n");
      head += text;
      if (!before && head.includes("\r\n\r\n")) void answer(socket, head);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", () => resolve()));

  const server: FileServer = {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    requests: [],
    sent: 0,
    plan: [],
    always: {},
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };

  async function answer(socket: Socket, head: string): Promise<void> {
    const header = (name: string) =>
      new RegExp(`^${name}: *(.*?) *\\r$`, "im").exec(head)?.[1]?.trim() ?? null;
    const path = head.split(" ")[1]!;
    const range = /^bytes=(\d+)-$/.exec(header("range") ?? "");
    const received = { path, from: range && Number(range[1]), condition: header("if-range") };
    server.requests.push(received);
    const behaviour = server.plan.shift() ?? server.always;
    if (behaviour.silent) return void socket.destroy();
    if (behaviour.stallAfter === -1) return;
    const file = behaviour.content ?? files[path.replace(/\?.*/, "")];
    const status = behaviour.status ?? (file === undefined ? "404 Not Found" : undefined);
    const reply = status === undefined
      ? fileReply(file!, received, behaviour)
      : { status, body: new TextEncoder().encode(`<h1>${status}</h1>`), headers: {} };
    const headers = { "content-length": `${reply.body.length}`, connection: "close", ...reply.headers };
    const lines = Object.entries({ ...headers, ...behaviour.headers })
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name}: ${value}\r\n`);
    await write(socket, `HTTP/1.1 ${reply.status}\r\n${lines.join("")}\r\n`);
    const { cutAfter = Infinity, stallAfter = Infinity, slow } = behaviour;
    const end = Math.min(reply.body.length, cutAfter, stallAfter);
    for (let at = 0; at < end && !socket.destroyed; at += PIECE) {
      const piece = reply.body.subarray(at, Math.min(at + PIECE, end));
      server.sent += piece.length;
      await write(socket, piece);
      if (slow !== undefined) await sleep(slow);
    }
    // A body that fails takes what has arrived, but was not read yet, with it. So that tests know how much there is, the
    // reader gets the time to read it.
    if (cutAfter < reply.body.length) await sleep(100);
    if (stallAfter === Infinity) socket.end();
  }
  return server;
}

function fileReply(file: Uint8Array, { from, condition }: Received, behaviour: Behaviour) {
  const { ignoreRange, ignoreCondition, start = from ?? 0 } = behaviour;
  const etag = etagOf(file);
  const changed = condition !== null && condition !== etag && !ignoreCondition;
  if (from === null || ignoreRange || changed) return { status: "200 OK", body: file, headers: { etag } };
  if (from >= file.length) {
    return {
      status: "416 Range Not Satisfiable",
      body: new Uint8Array(0),
      headers: { "content-range": `bytes */${file.length}` },
    };
  }
  const range = `bytes ${start}-${file.length - 1}/${file.length}`;
  return {
    status: "206 Partial Content",
    body: file.subarray(start),
    headers: { etag, "content-range": range },
  };
}

/** What the server calls this content. */
export function etagOf(file: Uint8Array): string {
  return `"${createHash("sha256").update(file).digest("hex").slice(0, 16)}"`;
}

function write(socket: Socket, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => socket.write(data, () => resolve()));
}
