// Receive webhooks and verify their signatures, with nothing but Node (18 or later).
//
//     INKBOX_SIGNING_KEY=whsec_... node docs/examples/webhook_receiver.mjs [PORT]
//
// Answers 204 to a genuine request and 401 to any other, and prints each event once.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

// A request that is older was recorded by somebody and is being played back.
const TOLERANCE_SECONDS = 300;
const MAX_BODY_BYTES = 10 * 1024 * 1024;
// Ids of events that were handled: the same event comes again when our answer got lost. Keep yours in a database.
const seen = new Set();
const MAX_SEEN = 10_000;

// Whether the server made this request. `body` must be the exact bytes that arrived; header names in lower case.
export function isGenuine(body, headers, signingKey, now = Date.now() / 1000) {
  const requestId = headers["x-inkbox-request-id"] ?? "";
  const timestamp = headers["x-inkbox-timestamp"] ?? "";
  if (!/^\d+$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  // The key is the text after the prefix, as it is: neither hexadecimal nor base64.
  const key = signingKey.replace(/^whsec_/, "");
  const digest = createHmac("sha256", key).update(`${requestId}.${timestamp}.`).update(body).digest("hex");
  const expected = Buffer.from(`sha256=${digest}`);
  // For a day after a rotation the old key signs too, in a header of its own: so there is time to change keys here.
  return ["x-inkbox-signature", "x-inkbox-signature-previous"].some((name) => {
    const given = Buffer.from(headers[name] ?? "");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

async function read(request) {
  const parts = [];
  let total = 0;
  for await (const part of request) {
    total += part.length;
    if (total > MAX_BODY_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  const body = await read(request);
  if (body === null) {
    response.writeHead(413, { Connection: "close" }).end();
    return;
  }
  if (!isGenuine(body, request.headers, process.env.INKBOX_SIGNING_KEY)) {
    response.writeHead(401).end();
    return;
  }
  // Answer first and work later: a slow receiver is taken for a broken one after ten seconds.
  response.writeHead(204).end();
  const event = JSON.parse(body.toString("utf8"));
  if (seen.has(event.id)) return;
  seen.add(event.id);
  if (seen.size > MAX_SEEN) seen.delete(seen.values().next().value);
  console.log(event.event_type, event.id);
});

if (!process.env.INKBOX_SIGNING_KEY) {
  console.error("Set INKBOX_SIGNING_KEY to the signing key of the identity.");
  process.exit(1);
}
server.listen(Number(process.argv[2] ?? 9000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
