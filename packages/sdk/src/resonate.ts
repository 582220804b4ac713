// The client of the root entry: run and rpc give results, beginRun and beginRpc give handles.

import {
  Client,
  environmentUrl,
  type LocalOptions,
  localOptions,
  type RegisterOptions,
  type ResonateOptions,
} from './client.ts'
import { withVersion } from './engine/options.ts'
import { Exponential } from './engine/retry.ts'
import { systemPlatform } from './runtime.ts'
import type {
  ArgsOf,
  Func,
  ParamsWithOptions,
  ResonateFunc,
  ResonateHandle,
  ResonateSchedule,
  Return,
} from './types.ts'

// biome-ignore-start lint/suspicious/noExplicitAny: a function called by name takes and gives what only its worker knows.
/**
 * A client of the root entry, and a worker of its group from the moment it is made until `stop`. `run` and `rpc` give results.
 * Without a `url`, given or in the environment, the server is inside this process.
 */
export class Resonate extends Client {
  constructor(options: ResonateOptions = {}) {
    super(options, new Exponential())
  }

  /** A client of a server. `url` is by default RESONATE_URL, else http://localhost:8001. */
  static remote(options: ResonateOptions = {}): Resonate {
    const platform = options.platform ?? systemPlatform()
    return new Resonate({ ...options, url: options.url ?? environmentUrl(platform) ?? 'http://localhost:8001' })
  }

  /** A client with a server of its own in this process: in memory, or durable with `path`. */
  static local(options: LocalOptions = {}): Resonate {
    return new Resonate(localOptions(options))
  }

  /** Makes a function known by a name and a version, so that it can be called, here and from elsewhere. */
  register<F extends Func>(name: string, func: F, options?: RegisterOptions): ResonateFunc<F>
  register<F extends Func>(func: F, options?: RegisterOptions): ResonateFunc<F>
  register<F extends Func>(nameOrFunc: string | F, funcOrOptions?: F | RegisterOptions, options?: RegisterOptions) {
    const { name, version } = this.add(nameOrFunc, funcOrOptions, options)
    const stub = (args: unknown[]) => withVersion(args, version)
    return {
      run: (id: string, ...args: unknown[]) => this.run(id, name, ...stub(args)),
      rpc: (id: string, ...args: unknown[]) => this.rpc(id, name, ...stub(args)),
      beginRun: (id: string, ...args: unknown[]) => this.beginRun(id, name, ...stub(args)),
      beginRpc: (id: string, ...args: unknown[]) => this.beginRpc(id, name, ...stub(args)),
      options: (given = {}) => this.options({ version, ...given }),
    } as ResonateFunc<F>
  }

  /** Calls a function that is registered here, in this process, and waits for its result. Its id makes it one call. */
  run<F extends Func>(id: string, func: F, ...args: ParamsWithOptions<F>): Promise<Return<F>>
  run<T>(id: string, name: string, ...args: any[]): Promise<T>
  run<T, W extends Func | string = Func | string>(id: string, what: W, ...args: ArgsOf<W>): Promise<T>
  async run(id: string, what: Func | string, ...args: unknown[]): Promise<unknown> {
    return (await this.begin(id, what, args)).result()
  }

  /** The same without waiting. */
  beginRun<F extends Func>(id: string, func: F, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
  beginRun<T>(id: string, name: string, ...args: any[]): Promise<ResonateHandle<T>>
  beginRun<T, W extends Func | string = Func | string>(
    id: string,
    what: W,
    ...args: ArgsOf<W>
  ): Promise<ResonateHandle<T>>
  beginRun(id: string, what: Func | string, ...args: unknown[]): Promise<ResonateHandle<unknown>> {
    return this.begin(id, what, args)
  }

  /** Has a function called by a worker of the `target` of its options, and waits for its result. */
  rpc<F extends Func>(id: string, func: F, ...args: ParamsWithOptions<F>): Promise<Return<F>>
  rpc<T>(id: string, name: string, ...args: any[]): Promise<T>
  rpc<T, W extends Func | string = Func | string>(id: string, what: W, ...args: ArgsOf<W>): Promise<T>
  async rpc(id: string, what: Func | string, ...args: unknown[]): Promise<unknown> {
    return (await this.beginRemote(id, what, args, true)).result()
  }

  /** The same without waiting. */
  beginRpc<F extends Func>(id: string, func: F, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
  beginRpc<T>(id: string, name: string, ...args: any[]): Promise<ResonateHandle<T>>
  beginRpc<T, W extends Func | string = Func | string>(
    id: string,
    what: W,
    ...args: ArgsOf<W>
  ): Promise<ResonateHandle<T>>
  beginRpc(id: string, what: Func | string, ...args: unknown[]): Promise<ResonateHandle<unknown>> {
    return this.beginRemote(id, what, args, false)
  }

  /** Calls a function on a cron schedule, in UTC. Exists: it stays as it is. */
  schedule<F extends Func>(id: string, cron: string, func: F, ...args: ParamsWithOptions<F>): Promise<ResonateSchedule>
  schedule(id: string, cron: string, name: string, ...args: any[]): Promise<ResonateSchedule>
  schedule(id: string, cron: string, what: Func | string, ...args: unknown[]): Promise<ResonateSchedule> {
    return this.scheduled(id, cron, what, args)
  }
}
// biome-ignore-end lint/suspicious/noExplicitAny: end of the class above.
