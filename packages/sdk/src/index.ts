// The root entry: durable functions as generators (`yield*`) or as async functions (`await`), on one engine.
// What is exported here is what users may rely on; everything else is inside.

export type { LocalOptions, RegisterOptions, ResonateOptions, SignalOptions, StopOptions } from './client.ts'
export { type AsyncEncryptor, Codec, type Encryptor } from './codec.ts'
export type { LatentOptions, SleepOptions } from './context.ts'
export * from './dependencies.ts'
export { NoopEncryptor } from './engine/codec.ts'
export {
  PromiseCanceledError,
  PromiseTimedoutError,
  ResonateError,
  ResonateTimeoutException,
  type ServerError,
} from './engine/errors.ts'
export type { CallOptions, Options } from './engine/options.ts'
export { Constant, Exponential, Linear, Never, type RetryOptions, type RetryPolicy } from './engine/retry.ts'
export { ConsoleLogger, type Logger, type LogLevel } from './log.ts'
export type { HttpPort, Pacemaker, PacemakerOptions, Platform } from './platform.ts'
export type { PromiseSearch, Promises } from './promises.ts'
export { Resonate } from './resonate.ts'
export { systemPlatform } from './runtime.ts'
export type { Schedules, Tasks } from './schedules.ts'
export type { Span, SpanKind, SpanStart, TraceHeaders, Tracing } from './tracing.ts'
export type { AnyNetwork, Network, Recv, Send } from './transport/network.ts'
export {
  type HttpAdapter,
  HttpNetwork,
  type HttpNetworkConfig,
  LocalNetwork,
  type LocalNetworkConfig,
  PollMessageSource,
} from './transport/networks.ts'
export type {
  AnyFunc,
  Context,
  DetachedHandle,
  DetachedInvocation,
  DurableCall,
  DurableFuture,
  DurableInvocation,
  Func,
  Info,
  Params,
  ParamsWithOptions,
  ResonateFunc,
  ResonateHandle,
  ResonateSchedule,
  Return,
  TypedCall,
  TypedClient,
  TypedContextClient,
} from './types.ts'
export { VERSION } from './version.ts'
export {
  type ExecuteMsg,
  isExecuteMsg,
  isMessage,
  isPromiseRecord,
  isScheduleRecord,
  isTaskRecord,
  isUnblockMsg,
  isValue,
  type Message,
  type MessageHead,
  type MessageOf,
  type PromiseRecord,
  type RequestEnvelope,
  type ResponseEnvelope,
  type RevokeMsg,
  type ScheduleRecord,
  type TaskRecord,
  type UnblockMsg,
  type Value,
} from './wire.ts'
export * from './wire-requests.ts'
