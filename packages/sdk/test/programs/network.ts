// A program for the published SDK with networks, encryptors, loggers and policies of its own, and with requests and records made
// by hand. It compiles against theirs and ours, which published.test.ts and `npm run check` see to; it is never run.

// biome-ignore-all lint/suspicious/noExplicitAny: as programs for it have it.

import {
  Codec,
  ConsoleLogger,
  Constant,
  type Encryptor,
  type ExecuteMsg,
  Exponential,
  type HttpAdapter,
  HttpNetwork,
  isConflict,
  isExecuteMsg,
  isMessage,
  isPromiseGetRes,
  isRedirect,
  isRequest,
  isResponse,
  isSuccess,
  isUnblockMsg,
  Linear,
  LocalNetwork,
  type Logger,
  type LogLevel,
  type Message,
  type MessageHead,
  type Network,
  Never,
  NoopEncryptor,
  PollMessageSource,
  type PromiseCreateReq,
  type PromiseRecord,
  type Request,
  type RequestHead,
  Resonate,
  ResonateTimeoutException,
  type Response,
  type ResponseHead,
  type RetryPolicy,
  type ScheduleRecord,
  type Send,
  type TaskRecord,
  type UnblockMsg,
  type Value,
} from '@resonatehq/sdk'
import { same } from './same.ts'

class OwnNetwork implements Network {
  readonly unicast = 'poll://uni@a/b'
  readonly anycast = 'poll://any@a/b'
  readonly #callbacks: ((message: Message) => void)[] = []
  match(target: string) {
    return target
  }
  async init() {}
  async stop() {}
  send = async <K extends Request['kind']>(
    given: Extract<Request, { kind: K }>,
  ): Promise<Extract<Response, { kind: K }>> => {
    const request = given as Request
    request.head.auth = 'token'
    request.head['resonate:origin'] = 'x'
    if (request.kind === 'promise.create') {
      request.data.tags.extra = '1'
      request.data.param = { data: 'x' }
    }
    if (request.kind === 'task.fence' && request.data.action.kind === 'promise.create')
      request.data.action.data.tags.x = 'y'
    if (request.kind === 'task.suspend') for (const action of request.data.actions) action.data.awaited = 'x'
    const answer = await (await fetch('x', { body: JSON.stringify(request), method: 'POST' })).json()
    if (!isResponse(answer)) throw new ResonateTimeoutException('x')
    return answer as Extract<Response, { kind: K }>
  }
  recv = (callback: (message: Message) => void) => {
    this.#callbacks.push(callback)
  }
  idOf(message: Message): string {
    switch (message.kind) {
      case 'execute':
        return message.data.task.id
      case 'unblock':
        return message.data.promise.id
      default: {
        const none: never = message
        return none
      }
    }
  }
  told(message: Message) {
    if (message.kind === 'execute') {
      message.head.serverUrl = 'x'
      return message.data.task.version
    }
    return message.data.promise.state
  }
}

class Counted extends HttpNetwork {
  override async init() {
    await super.init()
  }
  override recv(callback: (message: Message) => void) {
    super.recv((message) => callback(message))
  }
}
class Source extends PollMessageSource {
  override onReceive(callback: (message: Message) => void) {
    super.onReceive(callback)
  }
}

export const networks: Network[] = [
  new OwnNetwork(),
  new LocalNetwork(),
  new LocalNetwork({ pid: 'a', group: 'b' }),
  new Counted({ url: 'x', headers: { a: 'b' }, token: 't', timeout: 4, logger: new ConsoleLogger('info') }),
  new HttpNetwork({ adapter: new Source({ url: 'http://x/poll/a/b', token: 'x' }) }),
]
export const clients = networks.map((network) => new Resonate({ network, encryptor: new Marked() }))
export const adapter: HttpAdapter = {
  unicast: 'a',
  anycast: 'b',
  match: (target) => target,
  init: async () => {},
  stop: async () => {},
  onReceive: (callback) => callback({ kind: 'execute', head: {}, data: { task: { id: 'a', version: 1 } } }),
}

export async function asked(send: Send, unknown: unknown) {
  const head: RequestHead = { corrId: 'x', version: 'y' }
  const got = await send({ kind: 'promise.get', head, data: { id: 'x' } })
  if (isSuccess(got)) same<typeof got.data.promise.id, string>(true)
  const actions = [
    { kind: 'promise.register_callback' as const, head: { ...head }, data: { awaited: 'a', awaiter: 'b' } },
  ]
  const suspended = await send({ kind: 'task.suspend', head, data: { id: 'a', version: 1, actions } })
  if (isRedirect(suspended)) same<typeof suspended.data.preload.length, number>(true)
  const acquired = await send({ kind: 'task.acquire', head, data: { id: 'a', version: 1, pid: 'p', ttl: 1 } })
  if (isConflict(acquired)) acquired.data.toUpperCase()
  const action: PromiseCreateReq = {
    kind: 'promise.create',
    head,
    data: { id: 'x', timeoutAt: 3, param: {}, tags: {} },
  }
  const fenced = await send({ kind: 'task.fence', head, data: { id: 'a', version: 1, action } })
  if (isSuccess(fenced)) return [fenced.data.action.kind, fenced.data.preload.length]
  const found = await send({ kind: 'promise.search', head, data: { state: 'pending', tags: {}, limit: 3 } })
  if (isSuccess(found)) {
    const promises: PromiseRecord[] = found.data.promises
    return promises
  }
  if (isPromiseGetRes(unknown) && isSuccess(unknown)) return unknown.data.promise
  if (isRequest(unknown)) return unknown.kind
  if (!isMessage(unknown)) return
  if (isExecuteMsg(unknown)) return unknown.data.task.id
  if (isUnblockMsg(unknown)) return unknown.data.promise.id
  const none: never = unknown
  return none
}

class Marked implements Encryptor {
  readonly inner: Encryptor = new NoopEncryptor()
  encrypt(plaintext: Value): Value {
    const value = this.inner.encrypt(plaintext)
    return { headers: { ...value.headers, key: '1' }, data: value.data ? `x${value.data}` : value.data }
  }
  decrypt(ciphertext: Value): Value {
    return { ...ciphertext, data: ciphertext.data?.slice(1) }
  }
}
const both: Encryptor[] = [new Marked(), new NoopEncryptor()]
export const chained: Encryptor = {
  encrypt: (value) => both.reduce((encrypted, encryptor) => encryptor.encrypt(encrypted), value),
  decrypt: (value) => value,
}

export function encoded(record: PromiseRecord): PromiseRecord {
  const codec = new Codec(new Marked())
  const value: Value = codec.encode({ a: 1 })
  const decoded: PromiseRecord = codec.decodePromise(record)
  record.state = 'resolved'
  record.value = new Codec().encode(decoded.param.data.func)
  record.value.headers = { a: codec.decode(value).a }
  record.settledAt = 4
  return record
}

export const logger: Logger = {
  debug: (fields, message) => console.log(fields.id.length, message),
  info: ({ task }) => task.id,
  warn: (fields) => fields.count++,
  error: (fields) => fields.error.message,
}
export class Told implements Logger {
  debug(_: Record<string, any>, message: string) {
    console.log(message)
  }
  info = this.debug
  warn = this.debug
  error({ error }: { error?: Error }, message: string) {
    console.error(message, error)
  }
}
export class Named extends ConsoleLogger {
  override error(fields: Record<string, any>, message: string) {
    super.error({ ...fields, service: 'x' }, message)
  }
}
export function said(to: Logger, row: TaskRecord, level: LogLevel) {
  to[level](row, 'x')
  const fields: Record<string, unknown> = row
  return fields
}

export class Halved extends Exponential {
  override next(attempt: number): number | null {
    const wait = super.next(attempt)
    return wait === null ? null : wait / 2
  }
}
export const policies: (new (given: any) => RetryPolicy)[] = [Constant, Exponential, Linear, Never, Halved]
export const types: string[] = [Constant.type, Exponential.type, Linear.type, Never.type]
export const factor: number = new Exponential({ delay: 1, factor: 2, maxRetries: 3, maxDelay: 4 }).encode().data.factor

export function made(promise: PromiseRecord) {
  const head: MessageHead = {}
  head.serverUrl = 'x'
  const execute: ExecuteMsg = { kind: 'execute', head, data: { task: { id: 'a', version: 1 } } }
  execute.data.task.version = 3
  const unblock: UnblockMsg = { kind: 'unblock', head, data: { promise } }
  unblock.data.promise.value.data = { any: 1 }
  const answer: ResponseHead<200> = { corrId: 'a', status: 200, version: 'b' }
  answer.version = 'x'
  const got: Response = { kind: 'promise.get', head: answer, data: { promise } }
  const task: TaskRecord = { id: 'a', state: 'pending', version: 1, resumes: 0 }
  task.pid = 'x'
  const times = { promiseTimeout: 1, createdAt: 1, nextRunAt: 2 }
  const schedule: ScheduleRecord = { id: 'a', cron: 'c', promiseId: 'p', promiseParam: {}, promiseTags: {}, ...times }
  schedule.cron = 'x'
  return [execute, unblock, got, task, schedule]
}
