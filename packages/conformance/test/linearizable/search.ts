// Whether a history is linearizable: whether there is one order of its calls, in which each takes effect at one instant
// between its begin and its end, that a sequential model would have answered alike. The search of Wing and Gong with Lowe's
// memory: an order is followed as far as it goes, and no two orders that have made the same calls and left the same state
// are both followed. A call without an answer may have taken effect at any time since it began, or never.
//
// L1. A call is next only if no other that is left had ended before it began. L2. An order is complete once every call that
// was answered is in it. L3. A call without an answer is placed only where it changes the state: anywhere else it might as
// well never have happened. It must never say yes or no when it has not looked everywhere: then it is undecided.

export interface Call {
  /** Ms, on one clock for all. */
  readonly calledAt: number
  /** Infinity: there was no answer. */
  readonly returnedAt: number
}

/** What is called, as if one call came after the other. */
export interface Model<State, C extends Call> {
  readonly initial: State
  /** All states that a call may leave behind if it takes effect in this one and is answered as it was. None: it cannot. */
  next(state: State, call: C): readonly State[]
  /** Equal for states that behave alike from here on. */
  key(state: State): string
  /** Equal for calls that ask for the same. */
  kind(call: C): string
}

export type Verdict<C> =
  | { readonly kind: 'linearizable'; readonly order: readonly C[] }
  /** `order`: the longest that was found. `stuck`: those of which one had to come next, and none could. */
  | { readonly kind: 'not linearizable' | 'undecided'; readonly order: readonly C[]; readonly stuck: readonly C[] }

/** Orders that have made the same calls and left the same state. */
interface Place<State> {
  readonly state: State
  /** Index in `answered` of the first that is left; those beyond it that were made already; those of `open` that were made. */
  readonly first: number
  readonly beyond: readonly number[]
  readonly used: readonly number[]
  /** How one came here. */
  readonly before: Place<State> | null
  readonly made: Call | null
  readonly length: number
}

const PLACES_MAX = 1_000_000

export function check<State, C extends Call>(
  calls: readonly C[],
  model: Model<State, C>,
  { placesMax = PLACES_MAX } = {},
): Verdict<C> {
  return new Search(calls, model).run(placesMax)
}

class Search<State, C extends Call> {
  readonly #model: Model<State, C>
  readonly #answered: readonly C[]
  readonly #open: readonly C[]
  readonly #seen = new Set<string>()

  constructor(calls: readonly C[], model: Model<State, C>) {
    const sorted = [...calls].sort((a, b) => a.calledAt - b.calledAt)
    this.#model = model
    this.#answered = sorted.filter(({ returnedAt }) => returnedAt !== Number.POSITIVE_INFINITY)
    this.#open = sorted.filter(({ returnedAt }) => returnedAt === Number.POSITIVE_INFINITY)
  }

  /** Depth first: `trail` holds the ways that were not all followed yet, of each place on the order that is looked at. */
  run(placesMax: number): Verdict<C> {
    const none = { first: 0, beyond: [], used: [], before: null, made: null, length: 0 }
    let longest: Place<State> = { state: this.#model.initial, ...none }
    const trail = [[longest].values() as Iterator<Place<State>>]
    while (trail.length > 0 && this.#seen.size < placesMax) {
      const { value: place, done } = (trail.at(-1) as Iterator<Place<State>>).next()
      if (done) trail.pop()
      else if (place.first === this.#answered.length) return { kind: 'linearizable', order: this.#order(place) }
      else if (this.#isNew(place)) {
        if (place.length > longest.length) longest = place
        trail.push(this.#onwards(place))
      }
    }
    const kind = trail.length > 0 ? 'undecided' : 'not linearizable'
    return { kind, order: this.#order(longest), stuck: this.#ready(longest) }
  }

  #isNew({ state, first, beyond, used }: Place<State>): boolean {
    const key = `${first},${beyond}|${used}|${this.#model.key(state)}`
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }

  /** The places one call further. Lazily: most are never looked at. */
  *#onwards(place: Place<State>): Generator<Place<State>> {
    const { indexes, untilAt } = this.#window(place)
    for (const index of indexes) {
      for (const state of this.#next(place, this.#answered[index])) yield this.#past(place, index, state)
    }
    const tried = new Set<string>()
    for (const [index, call] of this.#open.entries()) {
      if (call.calledAt > untilAt) return
      // Of those that ask for the same, the one that began first: wherever another could stand, it could.
      const kind = this.#model.kind(call)
      if (place.used.includes(index) || tried.has(kind)) continue
      tried.add(kind)
      for (const state of this.#changes(place, call)) yield this.#besides(place, index, state)
    }
  }

  #next({ state }: Place<State>, call: C | undefined): readonly State[] {
    return call ? this.#model.next(state, call) : []
  }

  #changes(place: Place<State>, call: C): State[] {
    const here = this.#model.key(place.state)
    return this.#next(place, call).filter((state) => this.#model.key(state) !== here)
  }

  #past(place: Place<State>, index: number, state: State): Place<State> {
    const made = new Set([...place.beyond, index])
    let { first } = place
    while (made.delete(first)) first++
    const beyond = [...made].sort((a, b) => a - b)
    const { used, length } = place
    return { state, first, beyond, used, before: place, made: this.#answered[index] ?? null, length: length + 1 }
  }

  #besides(place: Place<State>, index: number, state: State): Place<State> {
    const used = [...place.used, index].sort((a, b) => a - b)
    return { ...place, state, used, before: place, made: this.#open[index] ?? null, length: place.length + 1 }
  }

  /** Which of the answered calls may be next, and when the first of them ended. */
  #window({ first, beyond }: Place<State>): { indexes: number[]; untilAt: number } {
    const indexes: number[] = []
    let untilAt = Number.POSITIVE_INFINITY
    for (let index = first; index < this.#answered.length; index++) {
      const { calledAt, returnedAt } = this.#answered[index] as C
      if (calledAt > untilAt) break
      if (beyond.includes(index)) continue
      indexes.push(index)
      untilAt = Math.min(untilAt, returnedAt)
    }
    return { indexes, untilAt }
  }

  #ready(place: Place<State>): C[] {
    return this.#window(place).indexes.map((index) => this.#answered[index] as C)
  }

  #order(last: Place<State>): C[] {
    const order: C[] = []
    for (let place: Place<State> | null = last; place?.made; place = place.before) order.push(place.made as C)
    return order.reverse()
  }
}
