// Every statement of the PostgreSQL store, and rows to columns and back. The only place that knows the column names.
// Writes are set-based: one JSON array of rows a statement. No statement may scan what grows; a test looks at the plans.
// Only what PostgreSQL-compatible distributed databases run too: no triggers, procedures, notifications or jsonb columns.

import { createHash } from 'node:crypto'
import type { Changes, ScheduleRow, UnblockRow } from '@resonatehq/protocol'
import { type Columns, PROMISE, SCHEDULE, TASK, UNBLOCK, WORKER } from '../columns.ts'
import type { MovedTable } from '../move.ts'

const PROMISE_BYTES = 'octet_length(p.param) + octet_length(p.value) + octet_length(p.tags)'
const TASK_CHANGES = ['state', 'version', 'ttl', 'pid', 'due_at', 'since_at', 'offered_at', 'resumes', 'worker', 'lost']
const NUMBERS = new Set(
  (
    'version ttl due_at since_at offered_at resumes lost released timeout_at created_at settled_at wake_at ' +
    'capacity seen_at gone_at promise_timeout next_run_at last_run_at value_added'
  ).split(' '),
)

const promiseGiven = given(PROMISE)
const taskGiven = given(`${TASK}, queue_key`)
const pushed = `queue_key >= 'http' and queue_key < 'httq'`

/** Text of every statement, by what it does. */
export const SQL = {
  promises: `select ${PROMISE} from promises where id = any($1::text[])`,
  promisesWithin:
    `select ${PROMISE}, found from (select p.*, given.place, (count(*) over ())::int as found, ` +
    `sum(${PROMISE_BYTES}) over (order by given.place) - (${PROMISE_BYTES}) as bytes_before ` +
    'from unnest($1::text[]) with ordinality as given (id, place) join promises as p on p.id = given.id) as sized ' +
    'where bytes_before < $2 order by place',
  insertPromises: `insert into promises (${PROMISE}) select ${PROMISE} from ${promiseGiven}`,
  updatePromises:
    'update promises as p set state = given.state, value = given.value, settled_at = given.settled_at, ' +
    `wake_at = given.wake_at from ${given('id, state, value, settled_at, wake_at')} where p.id = given.id`,
  deletePromises: 'delete from promises where id = any($1::text[])',
  deleteTasks: 'delete from tasks where id = any($1::text[])',
  promisesSettled:
    'select id, settled_at, tags from promises where (settled_at, id) > ($1, $2) and settled_at <= $3 ' +
    'order by settled_at, id limit $4',
  promisesAfter: `select ${PROMISE} from promises where id > $1 order by id limit $2`,
  promisesOfOrigin: membersOf('origin'),
  promisesOfBranch: membersOf('branch'),

  tasks: `select ${TASK} from tasks where id = any($1::text[])`,
  insertTasks: `insert into tasks (${TASK}, queue_key) select ${TASK}, queue_key from ${taskGiven}`,
  updateTasks:
    `update tasks as t set ${[...TASK_CHANGES, 'released', 'awaits', 'halt'].map((name) => `${name} = given.${name}`).join(', ')} ` +
    `from ${taskGiven} where t.id = given.id`,
  tasksAfter: `select ${TASK} from tasks where id > $1 order by id limit $2`,
  tasksReady:
    'select t.* from unnest($1::text[]) as wanted (key) cross join lateral ' +
    `(select ${TASK} from tasks where state = 'pending' and queue_key = wanted.key and due_at <= $2 ` +
    'order by due_at, id limit $3) as t order by t.due_at, t.id limit $3',
  tasksPushed:
    `select ${TASK} from tasks where state = 'pending' and ${pushed} and due_at <= $1 ` +
    'order by due_at, id limit $2',
  tasksRipened:
    `select ${TASK} from tasks where state = 'pending' and (due_at, id) > ($1, $2) and due_at <= $3 ` +
    'order by due_at, id limit $4',
  tasksHeld: `select ${TASK} from tasks where pid = $1 and id > $2 order by id limit $3`,
  heldIds: 'select pid, id from tasks where pid = any($1::text[]) order by pid, id',
  inHand:
    'select (select count(*) from tasks where pid = $1) + (select count(*) from tasks ' +
    `where state = 'pending' and offered_at is not null and worker = $1 and due_at > $2) as n`,
  inHandOfEach:
    'select given.worker, (select count(*) from tasks where pid = given.worker) + (select count(*) from tasks ' +
    `where state = 'pending' and offered_at is not null and tasks.worker = given.worker and due_at > $2) as n ` +
    'from unnest($1::text[]) as given (worker)',

  backlog:
    `select (select count(*) from (select 1 from tasks where state = 'pending' and queue_key = $1 and due_at <= $2 limit $3) as due) as n, ` +
    `(select since_at from tasks where state = 'pending' and queue_key = $1 and due_at <= $2 order by due_at, id limit 1) as oldest_at`,

  callbacks:
    'select w.awaited, w.awaiter from unnest($1::text[]) as wanted (id) cross join lateral ' +
    '(select awaited, awaiter from callbacks where awaited = wanted.id order by awaiter limit $2) as w',
  allCallbacks: 'select awaited, awaiter from callbacks order by awaited, awaiter',
  insertCallbacks: `insert into callbacks (awaited, awaiter) select awaited, awaiter from ${given('awaited, awaiter')} on conflict do nothing`,
  deleteCallbacks: `delete from callbacks as c using ${given('awaited, awaiter')} where c.awaited = given.awaited and c.awaiter = given.awaiter`,
  listeners:
    'select w.awaited, w.address from unnest($1::text[]) as wanted (id) cross join lateral ' +
    '(select awaited, address from listeners where awaited = wanted.id order by address_key limit $2) as w',
  allListeners: 'select awaited, address from listeners order by awaited, address',
  insertListeners:
    'insert into listeners (awaited, address_key, address) select awaited, address_key, address ' +
    `from ${given('awaited, address_key, address')} on conflict do nothing`,
  deleteListeners:
    `delete from listeners as l using ${given('awaited, address_key')} ` +
    'where l.awaited = given.awaited and l.address_key = given.address_key',

  unblocksOf:
    'select u.id, u.address from unnest($1::text[]) as wanted (id) cross join lateral ' +
    '(select id, address from unblocks where unblocks.id = wanted.id order by address_key limit $2) as u',
  unblocksOfQueues:
    'select u.* from unnest($1::text[]) as wanted (key) cross join lateral ' +
    `(select ${UNBLOCK}, address_key from unblocks where queue_key = wanted.key order by id, address_key limit $2) as u ` +
    'order by u.id, u.address_key limit $2',
  unblocksPushed: `select ${UNBLOCK} from unblocks where ${pushed} and (id, address_key) > ($1, $2) order by id, address_key limit $3`,
  unblocksBefore: `select ${UNBLOCK} from unblocks where created_at < $1 order by created_at, id, address_key limit $2`,
  upsertUnblocks:
    `insert into unblocks (${UNBLOCK}, address_key, queue_key) select ${UNBLOCK}, address_key, queue_key ` +
    `from ${given(`${UNBLOCK}, address_key, queue_key`)} on conflict (id, address_key) do update ` +
    'set queue = excluded.queue, queue_key = excluded.queue_key, created_at = excluded.created_at',
  allUnblocks: `select ${UNBLOCK} from unblocks order by id, address`,
  deleteUnblocks:
    `delete from unblocks as u using ${given('id, address_key')} ` +
    'where u.id = given.id and u.address_key = given.address_key',

  presence: `select ${WORKER} from workers where pid = any($1::text[]) order by pid, server, "group"`,
  allWorkers: `select ${WORKER} from workers order by pid, server, "group" limit $1`,
  // Before they change: in one order, so that servers that change the same rows wait in line and never in a circle.
  lockWorkers:
    'select 1 as one from workers where pid = any($1::text[]) or (server = any($2::text[]) and gone_at is null) ' +
    'order by pid, server, "group" for update',
  upsertWorker:
    `insert into workers (${WORKER}) values ($1, $2, $3, $4, $5, $6, $7, $8) ` +
    'on conflict (pid, server, "group") do update set capacity = excluded.capacity, info = excluded.info, ' +
    'seen_at = excluded.seen_at, gone_at = excluded.gone_at, beat = excluded.beat',
  beatWorker: 'update workers set beat = $1 where pid = $2',
  deleteWorker: 'delete from workers where pid = $1 and server = $2 and "group" = $3',
  seeWorker: 'update workers set seen_at = greatest(seen_at, $1) where pid = $2',
  seeServer: 'update workers set seen_at = greatest(seen_at, $1) where server = $2 and gone_at is null',
  // No connection is left over that lives, nor was it heard from since, and the pid still holds something.
  absent:
    'select distinct w.pid from workers as w where not exists (select 1 from workers as o where o.pid = w.pid and not ' +
    'coalesce(o.gone_at <= $1 and o.seen_at <= o.gone_at, o.seen_at <= $2)) and exists (select 1 from tasks as t where t.pid = w.pid)',
  forgettable: 'select distinct pid from workers where seen_at < $1 order by pid limit $2',

  schedules: `select ${SCHEDULE} from schedules where id = any($1::text[])`,
  schedulesAfter: `select ${SCHEDULE} from schedules where id > $1 order by id limit $2`,
  upsertSchedules:
    `insert into schedules (${SCHEDULE}) select ${SCHEDULE} from ${given(SCHEDULE)} on conflict (id) do update set ` +
    SCHEDULE.split(', ')
      .slice(1)
      .map((name) => `${name} = excluded.${name}`)
      .join(', '),
  deleteSchedules: 'delete from schedules where id = any($1::text[])',

  promisesDue: 'select id from promises where wake_at <= $1 order by wake_at, id limit $2',
  leasesDue: `select id from tasks where state = 'acquired' and due_at <= $1 order by due_at, id limit $2`,
  schedulesDue: 'select id from schedules where next_run_at <= $1 order by next_run_at, id limit $2',
  nextDue:
    'select least((select min(wake_at) from promises where wake_at > $1), ' +
    `(select min(due_at) from tasks where state = 'acquired' and due_at > $1), ` +
    `(select min(due_at) from tasks where state = 'pending' and due_at > $1), ` +
    '(select min(next_run_at) from schedules where next_run_at > $1)) as at',

  addCounters:
    `insert into counters (name, slot, value) select name, $2::bigint, value_added from ${given('name, value_added')} ` +
    'on conflict (name, slot) do update set value = counters.value + excluded.value',
  foldCounters:
    'with moved as (delete from counters where slot = $1 returning name, value) insert into counters (name, slot, value) ' +
    'select name, $2::bigint, value from moved order by name ' +
    'on conflict (name, slot) do update set value = counters.value + excluded.value',
  dropSums: 'delete from counters where slot = $1 and value = 0',
  // Counters of groups go when they are zero: groups come and go.
  dropCounters: 'delete from counters where name = any($1::text[]) and slot = $2 and value = 0',
  counters: 'select name, sum(value)::bigint as value from counters group by name having sum(value) <> 0',
  callbacksAfter:
    'select awaited, awaiter from callbacks where (awaited, awaiter) > ($1, $2) order by awaited, awaiter limit $3',
  listenersAfter:
    'select awaited, address from listeners where (awaited, address_key) > ($1, $2) order by awaited, address_key limit $3',
  unblocksAfter: `select ${UNBLOCK} from unblocks where (id, address_key) > ($1, $2) order by id, address_key limit $3`,
  lastPromise: 'select id as first from promises order by id desc limit 1',
  lastTask: 'select id as first from tasks order by id desc limit 1',
  lastCallback: 'select awaited as first, awaiter as second from callbacks order by awaited desc, awaiter desc limit 1',
  lastListener: 'select awaited as first from listeners order by awaited desc limit 1',
  lastUnblock: 'select id as first from unblocks order by id desc limit 1',
  lastSchedule: 'select id as first from schedules order by id desc limit 1',
  connections: `select count(*) as n from pg_stat_activity where datname = current_database() and backend_type = 'client backend'`,

  clock: 'select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now_at, floor_at from clock',
  sleep: 'select pg_sleep($1)',
  setFloor: 'update clock set floor_at = greatest(floor_at, $1)',
} as const

/** Rows behind a key, by table. */
export const PAGES = {
  promises: 'promisesAfter',
  tasks: 'tasksAfter',
  callbacks: 'callbacksAfter',
  listeners: 'listenersAfter',
  unblocks: 'unblocksAfter',
  schedules: 'schedulesAfter',
} as const satisfies { readonly [T in MovedTable]: keyof typeof SQL }

export const LASTS = {
  promises: 'lastPromise',
  tasks: 'lastTask',
  callbacks: 'lastCallback',
  listeners: 'lastListener',
  unblocks: 'lastUnblock',
  schedules: 'lastSchedule',
} as const satisfies { readonly [T in MovedTable]: keyof typeof SQL }

/** The rows of one JSON array, in its order. Their collation is said, or comparing two columns would be ambiguous. */
function given(names: string): string {
  const columns = names.split(', ').map((name) => `${name} ${NUMBERS.has(name) ? 'bigint' : 'text collate "C"'}`)
  return `json_to_recordset($1::json) as given (${columns.join(', ')})`
}

/** The promise that a tree or branch is named after, found by its id, and the others, found by their index. */
function membersOf(column: 'origin' | 'branch'): string {
  const named = `select ${PROMISE} from promises where id = $1 and ${column} = id and id > $2`
  const others = `select ${PROMISE} from promises where ${column} = $1 and ${column} <> id and id > $2 order by id limit $3`
  return `(${named}) union all (${others}) order by id limit $3`
}

/** Longest text that is its own key, UTF-16 units: three bytes each at most. */
const KEY_MAX = 250

/** What stands for an address or a queue in an index: itself, or its beginning and a hash, so that order nearly stays. */
export function keyOf(text: string): string {
  if (text.length <= KEY_MAX) return text
  return `${text.slice(0, KEY_MAX).toWellFormed()}#${createHash('sha256').update(text).digest('hex')}`
}

type PromiseChange = Changes['promises'][number]['row']
type TaskChange = Changes['tasks'][number]['row']

export function promiseColumns(row: PromiseChange): Columns {
  const { id, state, origin, branch } = row
  const texts = { param: JSON.stringify(row.param), value: JSON.stringify(row.value), tags: JSON.stringify(row.tags) }
  const instants = { timeout_at: row.timeoutAt, created_at: row.createdAt }
  return { id, state, ...texts, origin, branch, ...instants, settled_at: row.settledAt, wake_at: row.wakeAt }
}

export function settledColumns({ id, state, value, settledAt, wakeAt }: PromiseChange): Columns {
  return { id, state, value: JSON.stringify(value), settled_at: settledAt, wake_at: wakeAt }
}

export function taskColumns(row: TaskChange): Columns {
  const { id, state, version, ttl, pid, resumes, address, queue, worker, lost, released } = row
  const instants = { due_at: row.dueAt, since_at: row.sinceAt, offered_at: row.offeredAt }
  const texts = { awaits: row.awaits && JSON.stringify(row.awaits), halt: row.halt && JSON.stringify(row.halt) }
  const rest = { resumes, address, queue, queue_key: keyOf(queue), worker, lost, released, ...texts }
  return { id, state, version, ttl, pid, ...instants, ...rest }
}

export function unblockColumns({ id, address, queue, createdAt }: UnblockRow): Columns {
  return { id, address, queue, created_at: createdAt, address_key: keyOf(address), queue_key: keyOf(queue) }
}

export function scheduleColumns(row: ScheduleRow): Columns {
  const { id, cron, promiseId, promiseTimeout } = row
  const texts = { promise_param: JSON.stringify(row.promiseParam), promise_tags: JSON.stringify(row.promiseTags) }
  const instants = { created_at: row.createdAt, next_run_at: row.nextRunAt, last_run_at: row.lastRunAt }
  return { id, cron, promise_id: promiseId, promise_timeout: promiseTimeout, ...texts, ...instants }
}
