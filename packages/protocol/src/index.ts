// What this package offers: the records, what may be asked, what it means, and the machine that decides it.

export * from './address.ts'
export * from './cron.ts'
export * from './duration.ts'
export * from './explanation.ts'
export * from './ids.ts'
export {
  countForgotten,
  countPromise,
  countTask,
  FORGOTTEN,
  groupOfCounter,
  PUSHED,
  queueGroupOf,
  stateOfGroup,
  type Total,
} from './machine/counters.ts'
export * from './machine/effects.ts'
export { DEFAULT_CONFIG, type Env, type MachineConfig } from './machine/env.ts'
export { calledBy, explainStep, type Facts, isLive, nextOf } from './machine/explain.ts'
export { addFootprint } from './machine/footprint.ts'
export { owed, type Step, type StepKind, type StepTable, WORKER_FORGET_MS } from './machine/internal.ts'
export { Ordered } from './machine/ordered.ts'
export {
  executeMessage,
  projectPromise,
  projectTask,
  promiseRecord,
  revokeMessage,
  scheduleRecord,
  taskRecord,
  unblockMessage,
} from './machine/project.ts'
export { type Names, namesOf, narrowed, visibleOf } from './machine/reach.ts'
export * from './machine/rows.ts'
export { decodeCursor, encodeCursor } from './machine/search.ts'
export {
  compareDue,
  compareUnblocks,
  cutOwed,
  cutPage,
  cutWaiters,
  type Due,
  handOf,
  promiseBytes,
  type SnapshotRows,
  snapshotOf,
  Tables,
  unblockKey,
  WAITERS_PAGE,
} from './machine/tables.ts'
export { decide, type Input, isStep } from './machine/transition.ts'
export { type Changes, emptyLoad, type Loaded, WorkingSet } from './machine/working-set.ts'
export * from './parse.ts'
export { quote } from './quote.ts'
export * from './records.ts'
export * from './requests.ts'
export * from './rules.ts'
export { covers, positionIn, prefixProblem, type Scope, type Sight, scopeOf } from './scope.ts'
export * from './signature.ts'
export * from './tags.ts'
