// A plain TCP balancer, as in front of real servers: connections in turn to each address, to the next where one refuses.
// It knows nothing of HTTP and asks nobody how they are.

import { connect, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export class Balancer {
  readonly #ports: readonly number[]
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #turn = 0

  private constructor(ports: readonly number[]) {
    this.#ports = ports
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async start(t: TestContext, ports: readonly number[]): Promise<string> {
    const balancer = new Balancer(ports)
    t.after(() => balancer.#stop())
    await new Promise<void>((resolve) => balancer.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(balancer.#server.address() as { port: number }).port}`
  }

  #serve(socket: Socket): void {
    this.#keep(socket)
    this.#lead(socket, this.#ports.length)
  }

  /** To the next server in turn, as long as there are `left` to try. */
  #lead(socket: Socket, left: number): void {
    if (left === 0) return void socket.destroy()
    const port = this.#ports[this.#turn++ % this.#ports.length] as number
    const server = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#keep(server)
    let isConnected = false
    server.once('connect', () => {
      isConnected = true
      socket.pipe(server).pipe(socket)
      socket.once('close', () => server.destroy())
      server.once('close', () => socket.destroy())
    })
    server.once('error', () => {
      if (!isConnected) this.#lead(socket, left - 1)
    })
  }

  /** What goes wrong with one socket ends its other half, and that is all. */
  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #stop(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
