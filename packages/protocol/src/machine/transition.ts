// The table kind → transition, and `decide`, through which every store, the SDK's local mode, the simulator and the
// tests run the one definition of the protocol.

import type { MachineKind, Request } from '../requests.ts'
import { ruleProblem } from '../rules.ts'
import type { Decision } from './effects.ts'
import { type Env, refuse } from './env.ts'
import type { Step, StepKind, StepTable } from './internal.ts'
import * as internal from './internal.ts'
import * as promise from './promise.ts'
import * as retention from './retention.ts'
import * as schedule from './schedule.ts'
import * as search from './search.ts'
import * as task from './task.ts'

/** What the machine decides: a client's request, or a step of the server's own. */
export type Input = Request<MachineKind> | Step

type RequestTransitions = { readonly [K in MachineKind]: (env: Env, data: Request<K>['data']) => Decision }
type StepTransitions = { readonly [K in StepKind]: (env: Env, data: StepTable[K]) => Decision }

const requests: RequestTransitions = {
  'promise.get': promise.getPromise,
  'promise.create': promise.createPromise,
  'promise.settle': promise.settlePromise,
  'promise.register_callback': promise.registerCallback,
  'promise.register_listener': promise.registerListener,
  'promise.check': promise.checkPromises,
  'promise.search': search.searchPromises,

  'task.get': task.getTask,
  'task.create': task.createTask,
  'task.acquire': task.acquireTask,
  'task.release': task.releaseTask,
  'task.suspend': task.suspendTask,
  'task.fulfill': task.fulfillTask,
  'task.fence': task.fenceTask,
  'task.heartbeat': task.heartbeat,
  'task.halt': task.haltTask,
  'task.continue': task.continueTask,
  'task.search': search.searchTasks,

  'schedule.get': schedule.getSchedule,
  'schedule.create': schedule.createSchedule,
  'schedule.delete': schedule.deleteSchedule,
  'schedule.search': search.searchSchedules,
}

const steps: StepTransitions = {
  'promise.timeout': internal.timeoutPromise,
  'promise.resume': internal.resumeAwaiter,
  'promise.notify': internal.notifyListener,
  'promise.forget': retention.forgetPromise,
  'unblock.sent': internal.unblockSent,
  'unblock.requeue': internal.requeueUnblock,
  'task.dispatch': internal.dispatchTask,
  'task.withdraw': internal.withdrawOffer,
  'task.expire': internal.expireLease,
  'task.disconnect': internal.disconnectHolder,
  'schedule.fire': schedule.fireSchedule,
  'worker.connect': internal.connectWorker,
  'worker.disconnect': internal.disconnectWorker,
  'server.seen': internal.serverSeen,
  'worker.beats': internal.noteBeats,
  'worker.forget': internal.forgetWorker,
}

export function isStep(input: Input): input is Step {
  return Object.hasOwn(steps, input.kind)
}

/**
 * Decides one request or step on the rows in `env.view` at `env.now`. Pure: the same rows, instant and configuration give
 * the same decision. Throws Miss where a row that it needs was not loaded; any other throw is a bug.
 */
export function decide(env: Env, input: Input): Decision {
  if (isStep(input)) return apply(steps, env, input)
  const problem = ruleProblem(input, env.config.limits)
  return problem === null ? apply(requests, env, input) : refuse(400, problem)
}

/** The table pairs each kind with its own data; TypeScript cannot see that through a union. */
function apply(table: object, env: Env, { kind, data }: Input): Decision {
  const transition = table[kind as keyof typeof table] as (env: Env, data: unknown) => Decision
  return transition(env, data)
}
