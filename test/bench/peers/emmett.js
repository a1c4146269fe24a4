// Appends to Emmett's event store in PostgreSQL from so many clients for a while, and prints what came of it as JSON.
// Each client has a stream of its own and awaits each append. node emmett.js URL CLIENTS SECONDS; the event is on stdin.
import { readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql'
import pg from 'pg'

const [url, clients, seconds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const { type, subject, tags, data, metadata } = JSON.parse(readFileSync(0, 'utf8'))
const pool = new pg.Pool({ connectionString: url, max: clients })
const store = getPostgreSQLEventStore(url, { connectionOptions: { pool } })
await store.schema.migrate()

const run = randomUUID()
const append = client => store.appendToStream(`order-${run}-${client}`, [{ type, data, metadata: { ...metadata, subject, tags } }])
await Promise.all(Array.from({ length: clients }, (_, client) => append(client))) // connects

let appended = 0
const begun = performance.now()
const until = begun + seconds * 1000
await Promise.all(Array.from({ length: clients }, async (_, client) => {
  while (performance.now() < until) {
    await append(client)
    appended++
  }
}))
console.log(JSON.stringify({ perSecond: appended / ((performance.now() - begun) / 1000), appended }))
await store.close()
await pool.end()
