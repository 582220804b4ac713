// The HTTP entry: durable functions that the server calls at a URL, for platforms that start a process when a request comes and
// stop it when none does. Users import it as `@resonatehq/sdk/http`; functions are written as for either other entry.

export type { AsyncEncryptor, Encryptor } from './codec.ts'
export { NoopEncryptor } from './engine/codec.ts'
export { Constant, Exponential, Linear, Never, type RetryOptions, type RetryPolicy } from './engine/retry.ts'
export { cloudflare, type Handling, lambda, node } from './http/adapters.ts'
export { type RequestLimits, Resonate, type ResonateOptions } from './http/resonate.ts'
export type { Outcome } from './http/serving.ts'
export { ConsoleLogger, type Logger, type LogLevel } from './log.ts'
