// The entry `@resonatehq/sdk/testing`: what tests of durable functions need, under any test runner. Nothing of it is meant for
// production.

export {
  type CalmRun,
  type CrashOptions,
  crashEverywhere,
  type FaultOptions,
  faultsAtRandom,
  type Program,
} from './crashes.ts'
export { type Fault, type Sending, World, type WorldOptions } from './world.ts'
