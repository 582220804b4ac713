// What this package offers: a server without a socket, and the ports through which it is given everything else.

export type { Executed } from './batch.ts'
export type { Connected, Push, WorkerPort } from './delivery.ts'
export { createEngine, type Engine, type EngineOptions, type SubmitOptions } from './engine.ts'
export type { LaneLimits } from './lane.ts'
export {
  type EngineObserver,
  type EngineStats,
  NO_OBSERVER,
  type Picture,
  type Vitals,
  type WorkerStats,
} from './observer.ts'
export type { Log, Platform } from './platform.ts'
export { DEFAULT_SCALING, type Demand, HoldTimes, type ScalingSettings, workersDesired } from './scaling.ts'
