// The wire by hand: envelopes over fetch, and the event stream of a worker. No SDK, so that tests say exactly what is sent.

import type { Message, ResponseEnvelope } from '@resonatehq/protocol'

export interface Answered {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every kind.
  readonly data: any
}

export class Wire {
  readonly #url: string
  #corrId = 0

  constructor(url: string) {
    this.#url = url
  }

  envelope(kind: string, data: unknown): object {
    return { kind, head: { corrId: `${++this.#corrId}`, version: '2026-04-01' }, data }
  }

  async ask(kind: string, data: unknown): Promise<Answered> {
    const body = JSON.stringify(this.envelope(kind, data))
    const response = await fetch(this.#url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    const answer = (await response.json()) as ResponseEnvelope
    return { status: response.status, data: answer.data }
  }

  create(id: string, { target, timeoutAt = Date.now() + 600_000 }: { target?: string; timeoutAt?: number } = {}) {
    const tags = target === undefined ? {} : { 'resonate:target': target }
    return this.ask('promise.create', { id, timeoutAt, param: {}, tags })
  }

  settle(id: string, data?: string) {
    return this.ask('promise.settle', { id, state: 'resolved', value: data === undefined ? {} : { data } })
  }

  acquire(task: { id: string; version: number }, pid: string, ttl = 60_000) {
    return this.ask('task.acquire', { ...task, pid, ttl })
  }

  fulfill(id: string, version: number, data?: string) {
    const value = data === undefined ? {} : { data }
    const action = { kind: 'promise.settle', head: {}, data: { id, state: 'resolved', value } }
    return this.ask('task.fulfill', { id, version, action })
  }
}

/** A worker's connection: messages in the order in which they came. */
export class Stream {
  readonly #abort = new AbortController()
  readonly #messages: Message[] = []
  #arrived: (() => void) | null = null
  #ended = false

  static async open(url: string, group: string, pid: string, query = ''): Promise<Stream> {
    const stream = new Stream()
    const path = `${url}/poll/${encodeURIComponent(group)}/${encodeURIComponent(pid)}${query}`
    const response = await fetch(path, { signal: stream.#abort.signal })
    if (response.status !== 200 || !response.body) throw new Error(`poll answered ${response.status}`)
    void stream.#read(response.body)
    return stream
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    let text = ''
    try {
      for await (const chunk of body) {
        text += decoder.decode(chunk, { stream: true })
        const events = text.split('\n\n')
        text = events.pop() ?? ''
        for (const event of events) if (event.startsWith('data: ')) this.#messages.push(JSON.parse(event.slice(6)))
        this.#arrived?.()
      }
    } catch {
      // The connection was cut, by us or by the server: either way there is nothing more to read.
    }
    this.#ended = true
    this.#arrived?.()
  }

  /** The next message. */
  async next(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift()
      if (message) return message
      if (this.#ended) throw new Error('the stream ended')
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
    }
  }

  close(): void {
    this.#abort.abort()
  }
}
