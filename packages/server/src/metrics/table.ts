// Every number that the server shows, in one table: a metric is one row here, and a line where it is counted. The reference page
// is printed from it.

import type { Aggregator } from 'prom-client'

export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Who says the same: every server of a database (aggregate with max), or each only what it did (with sum). */
  readonly of: 'store' | 'server'
  readonly name: string
  readonly labels: readonly string[]
  readonly help: string
  readonly buckets?: readonly number[]
  /** How the processes of one command are summed up, where it is not by adding. */
  readonly aggregator?: Aggregator
}

const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const LONG_SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200, 86_400, 604_800]
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

/** Name, labels and meaning of each, by the name the code calls it. The reference page is printed from this. */
export const METRICS = {
  promises: {
    type: 'gauge',
    of: 'store',
    name: 'promises_total',
    labels: ['state'],
    help: 'Promises that are kept, by state. pending: the backlog of the whole system.',
  },
  tasks: {
    type: 'counter',
    of: 'store',
    name: 'tasks_total',
    labels: ['state'],
    help: 'Tasks that ever came to: created; claimed, also as acquired: a worker took it for the first time; completed, also as fulfilled: over, after a worker had taken it. Claimed less completed is never negative.',
  },
  tasksNow: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_tasks',
    labels: ['group', 'state'],
    help: 'Tasks that are not over, by the group of their target and by state: pending, acquired, suspended, halted. Tasks pushed to URLs are the group (pushed).',
  },
  groupReady: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_group_ready_tasks',
    labels: ['group'],
    help: 'Tasks that any worker of the group could take now and that none was offered. Past a thousand: all that are pending.',
  },
  groupOldest: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_group_oldest_ready_seconds',
    labels: ['group'],
    help: 'How long the ready task that is due longest could have been taken. 0: none is ready.',
  },
  groupDesired: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_group_workers_desired',
    labels: ['group'],
    help: 'Workers that what is held and what waits need, so that what waits begins within scaling.target_wait. 0: nothing is held and nothing waits.',
  },
  workers: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_workers',
    labels: ['group'],
    help: 'Connected workers, whichever server they are connected to.',
  },
  workerInfo: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_info',
    labels: ['group', 'pid', 'sdk', 'version', 'host'],
    help: 'Always 1. What each connected worker says of itself.',
  },
  workerCapacity: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_capacity',
    labels: ['group', 'pid'],
    help: 'Tasks that each connected worker takes at a time. Absent: any number.',
  },
  workerBeat: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_heartbeat_age_seconds',
    labels: ['group', 'pid'],
    help: 'Time since the last heartbeat of each connected worker. A worker without tasks sends none.',
  },
  workerLag: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_event_loop_lag_seconds',
    labels: ['group', 'pid'],
    help: 'How late the event loop of each worker is, by its last heartbeat.',
  },
  workerMemory: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_resident_memory_bytes',
    labels: ['group', 'pid'],
    help: 'Resident memory of each worker, by its last heartbeat.',
  },
  leasesLost: {
    type: 'counter',
    of: 'store',
    name: 'resonate_leases_lost_total',
    labels: [],
    help: 'Leases that ended without the doing of their holder: it died, or was stuck, or out of reach.',
  },
  reassigned: {
    type: 'counter',
    of: 'store',
    name: 'resonate_tasks_reassigned_total',
    labels: [],
    help: 'Tasks taken again after a lease on them was lost.',
  },
  released: {
    type: 'counter',
    of: 'store',
    name: 'resonate_tasks_released_total',
    labels: [],
    help: 'Tasks given back by their holder: it stops, or has no such function.',
  },
  forgotten: {
    type: 'counter',
    of: 'store',
    name: 'resonate_promises_forgotten_total',
    labels: [],
    help: 'Settled promises deleted by promises.retention.',
  },
  schema: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_schema_version',
    labels: [],
    help: 'The last migration of the database. 0: this store has none.',
  },
  acquireSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_acquire_wait_seconds',
    labels: ['group'],
    help: 'From the instant a task could be taken until a worker acquired it.',
    buckets: FAST_SECONDS,
  },
  heldSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_task_held_seconds',
    labels: ['group'],
    help: 'How long a worker had a task in hand at a time, until it was fulfilled, suspended, released or lost.',
    buckets: LONG_SECONDS,
  },
  taskSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_task_duration_seconds',
    labels: ['state'],
    help: 'From creation to settlement of promises that a worker runs, roots left out.',
    buckets: LONG_SECONDS,
  },
  workflowSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_workflow_duration_seconds',
    labels: ['state'],
    help: 'From creation to settlement of the roots of call trees.',
    buckets: LONG_SECONDS,
  },
  requests: {
    type: 'counter',
    of: 'server',
    name: 'resonate_request_total',
    labels: ['kind', 'status'],
    help: 'Requests answered, refused ones included.',
  },
  requestSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_request_duration_seconds',
    labels: ['kind'],
    help: 'From the last byte of a request to its answer.',
    buckets: FAST_SECONDS,
  },
  messages: {
    type: 'counter',
    of: 'server',
    name: 'resonate_messages_total',
    labels: ['kind'],
    help: 'Messages handed to a worker or a target: execute, unblock, revoke.',
  },
  deliveries: {
    type: 'counter',
    of: 'server',
    name: 'resonate_deliveries_total',
    labels: ['transport', 'status'],
    help: 'Attempts to deliver a message. success: taken. error: refused or failed. dropped: no room for it.',
  },
  schedulePromises: {
    type: 'counter',
    of: 'server',
    name: 'resonate_schedule_promises_total',
    labels: [],
    help: 'Promises created by schedules.',
  },
  batchRequests: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_batch_requests',
    labels: [],
    help: 'Requests and steps decided and committed together.',
    buckets: COUNTS,
  },
  queueSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_queue_wait_seconds',
    labels: [],
    help: 'How long the oldest request of a batch waited for it to start.',
    buckets: FAST_SECONDS,
  },
  storeSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_store_seconds',
    labels: ['phase'],
    help: 'Time a batch spent in the store: load, then write with commit.',
    buckets: FAST_SECONDS,
  },
  dispatchSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_dispatch_delay_seconds',
    labels: [],
    help: 'From the instant a task was ready to the moment it was handed to a worker.',
    buckets: FAST_SECONDS,
  },
  queueLength: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_queue_length',
    labels: [],
    help: 'Requests accepted and not yet answered.',
  },
  tasksInHand: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_worker_tasks',
    labels: ['group', 'pid'],
    help: 'Tasks offered to or held by each worker that is connected to this server.',
  },
  pollConnections: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_poll_connections',
    labels: [],
    help: 'Open worker connections.',
  },
  pushInFlight: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_push_in_flight',
    labels: [],
    help: 'POSTs to targets that are under way.',
  },
  pushWaiting: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_push_waiting',
    labels: [],
    help: 'Messages that wait for a place at their target.',
  },
  storeUp: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_store_up',
    aggregator: 'min',
    labels: [],
    help: '1: the store answered this scrape. 0: what is read from it is missing here.',
  },
  storeConnections: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_store_connections',
    labels: ['state'],
    help: 'The pool of database connections: open, idle, and requests waiting for one.',
  },
  build: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_build_info',
    aggregator: 'first',
    labels: ['version', 'node'],
    help: 'Always 1. What is running.',
  },
} as const satisfies Record<string, MetricRow>
