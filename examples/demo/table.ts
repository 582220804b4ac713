// The live table: rewritten in place on a terminal, a plain line a second elsewhere.

export interface Row {
  readonly pid: string
  readonly state: 'working' | 'killed' | 'starting'
  readonly inHand: number
  readonly done: number
}

export interface Frame {
  readonly rows: readonly Row[]
  readonly done: number
  readonly orders: number
  /** Orders that no worker has in hand. */
  readonly backlog: number
  readonly perSecond: number
}

export class Table {
  readonly #out: NodeJS.WriteStream
  #height = 0
  #shownAt = 0

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  get isLive(): boolean {
    return this.#out.isTTY === true
  }

  /** May be called as often as one likes; shows the last frame in any case. */
  show(frame: Frame, { isLast }: { isLast: boolean }): void {
    const isDue = Date.now() - this.#shownAt >= (this.isLive ? 200 : 1_000)
    if (!isDue && !isLast) return
    this.#shownAt = Date.now()
    if (!this.isLive) return this.#line(frame)
    const lines = [
      `  ${bar(frame.done / frame.orders)} ${frame.done}/${frame.orders} orders   backlog ${frame.backlog}   ${frame.perSecond} orders/s`,
      '',
      '  worker      state      in hand   orders shipped',
      ...frame.rows.map(
        ({ pid, state, inHand, done }) =>
          `  ${pid.padEnd(11)} ${state.padEnd(10)} ${String(inHand).padStart(7)}   ${String(done).padStart(14)}`,
      ),
    ]
    const back = this.#height > 0 ? `\x1b[${this.#height}A` : ''
    this.#out.write(`${back}${lines.map((line) => `\x1b[2K${line}\n`).join('')}`)
    this.#height = lines.length
  }

  /** A sentence of the story: above a table that starts anew below it. */
  say(sentence: string): void {
    this.#out.write(`${this.#height > 0 ? '\n' : ''}${sentence}\n`)
    this.#height = 0
  }

  #line({ done, orders, backlog, perSecond, rows }: Frame): void {
    const hands = rows.map(
      ({ pid, state, inHand, done }) => `${pid}${state === 'killed' ? ' †' : ''} ${inHand} (${done})`,
    )
    this.#out.write(
      `${done}/${orders} orders, backlog ${backlog}, ${perSecond}/s; in hand (shipped): ${hands.join(', ')}\n`,
    )
  }
}

function bar(share: number): string {
  const filled = Math.round(share * 24)
  return `[${'█'.repeat(filled)}${'·'.repeat(24 - filled)}]`
}
