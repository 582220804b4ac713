// The network of a simulation, for web services: real HTTP over streams in memory, so that nothing takes time and nothing happens
// outside of the thread. At most one service listens; a service that died is not there any more, and hangs up on everybody.

import { type IncomingMessage, type Server, request as send } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Answer, Asking } from './all.ts'

export class SimulatedNetwork {
  readonly #connections = new Set<Duplex>()
  #service = Promise.withResolvers<Server>()

  /** Instead of its listening at a port. */
  listen(server: Server): void {
    this.#service.resolve(server)
  }

  /** The process of the service is dead. */
  cut(): void {
    this.#service = Promise.withResolvers<Server>()
    for (const connection of this.#connections) connection.destroy()
  }

  /** Asks until a service answers. */
  async ask(asking: Asking): Promise<Answer> {
    for (;;) {
      const server = await this.#service.promise
      const answer = await this.#askOnce(server, asking)
      if (answer) return answer
    }
  }

  /** Null: the service died. */
  #askOnce(server: Server, { method = 'GET', path, headers, body }: Asking): Promise<Answer | null> {
    const [ours, theirs] = duplexPair()
    this.#connections.add(theirs)
    theirs.on('close', () => {
      this.#connections.delete(theirs)
      ours.destroy()
    })
    server.emit('connection', theirs)
    return new Promise((resolve) => {
      const died = () => resolve(null)
      const answered = (response: IncomingMessage) =>
        text(response).then((all) => resolve({ status: response.statusCode as number, text: all }), died)
      send({ method, path, headers, createConnection: () => ours }, answered)
        .on('error', died)
        .end(body)
    })
  }
}
