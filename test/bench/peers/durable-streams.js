// Serves Durable Streams from files, without compressing answers. node durable-streams.js PORT DIRECTORY
import { DurableStreamTestServer } from '@durable-streams/server'

const server = new DurableStreamTestServer({ host: '127.0.0.1', port: Number(process.argv[2]), dataDir: process.argv[3], compression: false })
await server.start()
