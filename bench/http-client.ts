// A lean client: raw sockets, one request at a time on each, so that the load generator is not what is measured.
// It must never count a refusal as an answer: whatever is not a 200 ends the run with what the server said.

import { connect, type Socket } from 'node:net'

export class Connection {
  readonly #socket: Socket
  #answered: ((body: string) => void) | null = null
  #text = ''
  #length = -1
  #status = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#read(chunk))
    socket.on('error', (error) => {
      throw error
    })
  }

  static open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(new Connection(socket)))
      socket.once('error', reject)
    })
  }

  /** POSTs a body of ASCII and resolves with the answer's. */
  post(body: string): Promise<string> {
    return new Promise((resolve) => {
      this.#answered = resolve
      const head = `POST / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
      this.#socket.write(head + body)
    })
  }

  #read(chunk: string): void {
    this.#text += chunk
    if (this.#length < 0) {
      const end = this.#text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = /content-length: (\d+)/i.exec(this.#text.slice(0, end))?.[1]
      if (length === undefined) throw new Error('expected an answer with a Content-Length')
      this.#length = Number(length)
      this.#status = this.#text.slice(0, 'HTTP/1.1 200'.length)
      this.#text = this.#text.slice(end + 4)
    }
    if (this.#text.length < this.#length) return
    const body = this.#text.slice(0, this.#length)
    this.#text = this.#text.slice(this.#length)
    this.#length = -1
    if (this.#status !== 'HTTP/1.1 200') throw new Error(`expected a 200, got ${this.#status}: ${body.slice(0, 500)}`)
    this.#answered?.(body)
  }

  close(): void {
    this.#socket.destroy()
  }
}

export function envelope(kind: string, data: object): string {
  return JSON.stringify({ kind, head: { corrId: '1', version: '2026-04-01' }, data })
}

/** A deadline that is never met. */
export const FAR = 9_000_000_000_000
const DAY_MS = 86_400_000

/** Its deadline is a day from now, as deadlines are: later for what is created later. */
export function createBody(id: string, tags: Record<string, string> = {}): string {
  return envelope('promise.create', { id, timeoutAt: Date.now() + DAY_MS, param: {}, tags })
}

export function settleBody(id: string): string {
  return envelope('promise.settle', { id, state: 'resolved', value: {} })
}
