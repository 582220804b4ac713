// The page of metrics in the documentation: the table, and what to ask of it.

import { GROUP_SERIES_MAX, OTHER, WORKER_SERIES_MAX } from './labels.ts'
import { METRICS, type MetricRow } from './table.ts'

/** The metrics as a Markdown page. */
export function metricsPage(): string {
  const table = ['| metric | meaning |', '| --- | --- |', ...Object.values<MetricRow>(METRICS).map(metricRow)]
  return ['# Metrics', '', ...PREFACE, ...table, '', ...QUERIES, ''].join('\n')
}

function metricRow({ name, type, of, labels, help }: MetricRow): string {
  const by = labels.length > 0 ? `, by ${labels.map((label) => `\`${label}\``).join(', ')}` : ''
  return `| \`${name}\`<br>${type} of the ${of}${by} | ${help} |`
}

const PREFACE = [
  '`GET /metrics` on the port `observability.metrics_port` (9090) answers in the Prometheus text format. Beside these there',
  'are `process_*` and `nodejs_*`, of the process itself.',
  '',
  'A row *of the store* says the same at every server of one database: aggregate it with `max by (…)`. A row *of the',
  'server* is what that server did or holds: aggregate it with `sum by (…)`. A scrape never counts promises, so it costs',
  `the same whatever is stored. Groups past the first ${GROUP_SERIES_MAX}, and workers past the first ${WORKER_SERIES_MAX}, are \`${OTHER}\`.`,
  '',
]

const QUERIES = [
  '## Queries',
  '',
  '| question | query |',
  '| --- | --- |',
  '| how fast is work done | `max(rate(tasks_total{state="completed"}[5m]))` |',
  '| what is not settled yet | `max(promises_total{state="pending"})` |',
  '| claimed, not completed | `max(tasks_total{state="claimed"}) - max(tasks_total{state="completed"})` |',
  '| what waits for a worker, by group | `max by (group) (resonate_group_ready_tasks)` |',
  '| for how long | `max by (group) (resonate_group_oldest_ready_seconds)` |',
  '| how many workers that needs | `max by (group) (resonate_group_workers_desired)` |',
  '| share of requests that failed | `sum(rate(resonate_request_total{status=~"5.."}[5m])) / sum(rate(resonate_request_total[5m]))` |',
  '| slowest 5 % of requests | `histogram_quantile(0.95, sum by (le) (rate(resonate_request_duration_seconds_bucket[5m])))` |',
  '',
  'A difference of two states needs an aggregation, or `ignoring(state)`, on one side at least: Prometheus pairs series whose',
  'labels are equal, and `state` differs.',
  '',
  '## How many workers a group needs',
  '',
  '`resonate_group_workers_desired` is what to scale on. It is reckoned from what is held and what waits at this moment:',
  '',
  '```text',
  'slots   = held + waiting × min(1, hold ÷ scaling.target_wait)',
  'workers = ⌈slots ÷ tasks a worker takes at a time⌉',
  '```',
  '',
  '*hold* is how long a task was in hand on average in the last five to ten minutes, as far as the server saw it itself;',
  'while that is unknown, each waiting task gets a slot. The tasks that a worker takes at a time are what the workers of the',
  'group state as their capacity, or `scaling.tasks_per_worker`. The number has no memory: the same backlog gives the same',
  'workers, more never gives fewer, and nothing held and nothing waiting gives 0. What is delayed, or backs off, does not',
  'count before its time.',
  '',
  'The SDK states its `concurrency` as the capacity, 1,000 unless you set it. Set it to what one worker can really work on at',
  'a time: a worker that says it takes a thousand tasks is thought to be enough for a thousand.',
  '',
  'The same as JSON, for a scaler that does not ask Prometheus, is at `GET /scaling/{group}` on the same port: `backlog`,',
  '`acquired`, `workers` and `workersDesired`. A group that nobody has worked in has zeros; while the store does not answer',
  'it is 503.',
]
