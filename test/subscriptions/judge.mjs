// A receiver nobody here wrote the parts of: npm `standardwebhooks` and `svix` verify every delivery, npm
// `cloudevents` parses every body.
//
// usage: SECRET=whsec_… node judge.mjs; prints its port, then each event that all three accept, or what is wrong
import { createServer } from "node:http";
import { HTTP } from "cloudevents";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

let attempts = 0;

async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function judge(secret, body, headers) {
  new Standard(secret).verify(body, headers);
  new Svix(secret).verify(body, headers);
  const parsed = HTTP.toEvent({ headers: { "content-type": headers["content-type"] }, body });
  const events = Array.isArray(parsed) ? parsed : [parsed];
  for (const event of events) event.validate();
  return events;
}

const server = createServer(async (request, response) => {
  const body = await text(request);
  if (request.method === "OPTIONS") {
    response.writeHead(200, { "WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*" }).end();
    return;
  }
  if (request.method === "PUT") {
    process.env.SECRET = body;
    response.writeHead(204).end();
    return;
  }
  if (++attempts % 10 === 0) {
    response.writeHead(500).end("not this time");
    return;
  }
  try {
    for (const event of judge(process.env.SECRET, body, request.headers)) {
      console.log(JSON.stringify({ id: event.id, type: event.type, subject: event.subject ?? "", sequence: event.sequence, data: event.data }));
    }
    response.writeHead(204).end();
  } catch (error) {
    console.log(JSON.stringify({ wrong: String(error) }));
    response.writeHead(400).end();
  }
}).listen(0, "127.0.0.1", () => console.log(server.address().port));
