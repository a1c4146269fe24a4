// The npm package `cloudevents` as a judge: it reads what a topic answers, or publishes with its own client.
//
// usage: node cloudevents.mjs read|structured|binary URL KEY [PREFIX MOST]
// prints, as JSON, what it has read, or the statuses that it got
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CloudEvent, HTTP, Mode, emitterFor } from "cloudevents";

const [mode, url, key, prefix, most] = process.argv.slice(2);
const examples = fileURLToPath(new URL("../node_modules/@octokit/webhooks-examples/api.github.com/index.json", import.meta.url));

async function read() {
  const response = await fetch(`${url}?limit=10000`, {
    headers: { accept: "application/cloudevents-batch+json", "x-functions-key": key },
  });
  const headers = { "content-type": response.headers.get("content-type") };
  const events = HTTP.toEvent({ headers, body: await response.text() });
  return events.map((event) => {
    event.validate();
    return { id: event.id, type: event.type, subject: event.subject, sequence: event.sequence, data: event.data };
  });
}

async function publish() {
  const statuses = [];
  const emit = emitterFor(
    async ({ headers, body }) => {
      const response = await fetch(url, { method: "POST", headers: { ...headers, "x-functions-key": key }, body });
      statuses.push(response.status);
    },
    { binding: HTTP, mode: mode === "binary" ? Mode.BINARY : Mode.STRUCTURED },
  );
  let n = 0;
  for (const { name, examples: payloads } of JSON.parse(readFileSync(examples, "utf8"))) {
    for (const data of payloads) {
      if (n >= Number(most)) return statuses;
      const subject = data.repository?.full_name;
      await emit(new CloudEvent({ id: `${prefix}gh-${++n}`, type: name, source: "https://github.com", ...(subject && { subject }), data, number: n }));
    }
  }
  return statuses;
}

console.log(JSON.stringify(await (mode === "read" ? read() : publish())));
