// Receives ApsaraVideo VOD callbacks and lets only genuine ones through. See ../README.md for the variables.
"use strict";
const { createHash, timingSafeEqual } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");

const callbackUrl = required("CALLBACK_URL");
const authKeyFiles = required("AUTH_KEY_FILES").split(",");
const maxAgeSeconds = Number(process.env.MAX_AGE_SECONDS ?? 300);
const maxBodyBytes = 1 << 20;

function required(name) {
  const value = process.env[name];
  if (!value) {
    console.error(`${name} is not set`);
    process.exit(2);
  }
  return value;
}

// Read each time: a mounted Secret changes under a running process.
const authKeys = () => authKeyFiles.map((path) => readFileSync(path, "utf8").replace(/[\r\n]+$/, ""));

// Why a callback is not genuine, or undefined.
function refusal(timestamp, signature) {
  if (!timestamp || !signature) return "no X-VOD-TIMESTAMP or X-VOD-SIGNATURE";
  if (!/^[0-9]+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > maxAgeSeconds) {
    return `the time is not within ${maxAgeSeconds} s of the clock`;
  }
  const given = Buffer.from(signature);
  let genuine = false;
  for (const key of authKeys()) {
    const wanted = Buffer.from(createHash("md5").update(`${callbackUrl}|${timestamp}|${key}`).digest("hex"));
    if (wanted.length === given.length && timingSafeEqual(wanted, given)) genuine = true;
  }
  return genuine ? undefined : "the signature is wrong";
}

const server = createServer((request, response) => {
  const answer = (code) => {
    response.writeHead(code, { "Content-Length": 0, Connection: "close" });
    response.end();
  };
  if (request.method !== "POST") return answer(405);
  const why = refusal(request.headers["x-vod-timestamp"], request.headers["x-vod-signature"]);
  if (why) {
    console.log(`refused: ${why}`);
    return answer(403);
  }
  const parts = [];
  let size = 0;
  request.on("data", (part) => {
    size += part.length;
    if (size <= maxBodyBytes) parts.push(part);
  });
  request.on("end", () => {
    if (size > maxBodyBytes) return answer(413);
    let event;
    try {
      event = JSON.parse(Buffer.concat(parts).toString("utf8"));
    } catch {
      return answer(400);
    }
    // Answer within 5 seconds: put the event on a queue here, and do the work elsewhere. It may come again.
    console.log(`event: ${event?.EventType} ${event?.VideoId}`);
    answer(200);
  });
});
server.listen(Number(process.env.PORT ?? 8080), () => console.log(`listening on port ${server.address().port}`));
