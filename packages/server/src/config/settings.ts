// Every setting of the server in one table: its name, unit, default and meaning. Parsing, checking, the type of the
// configuration, the flags of the command, the help text and the reference page all come from it, so adding a setting is
// adding a row. It holds no rule between two settings (conflicts.ts) and does nothing.

import { DEFAULT_LIMITS } from '@resonatehq/protocol'
import { ALGORITHMS } from '../auth/keys.ts'
import { COMPONENTS, LEVELS } from '../levels.ts'
import { HOUR, KIB, MIB, SECOND } from './units.ts'

interface SettingBase {
  /** The name in `resonate.toml`. The flag and the environment variable follow from it. */
  readonly key: string
  readonly meaning: string
  /** Only where the flag does not follow from the key. */
  readonly flag?: string
  /** A second environment variable, by which older deployments name it. The one that follows from the key wins. */
  readonly olderEnv?: string
  /** Never repeated in a message. */
  readonly isSecret?: boolean
  /** Names a file that a server looks at again when it changes or on SIGHUP. */
  readonly isReread?: boolean
}

export interface NumberSetting extends SettingBase {
  /** `duration` is in ms and may be written `30s` or `1h30m`, `bytes` may be written `4MiB`. */
  readonly type: 'integer' | 'port' | 'duration' | 'bytes'
  readonly default: number
  readonly min?: number
  readonly max?: number
}

export type SettingRow =
  | NumberSetting
  | (SettingBase & { readonly type: 'boolean'; readonly default: boolean })
  | (SettingBase & { readonly type: 'text'; readonly default: string })
  /** In the environment, separated by commas. The flag may be given several times. */
  | (SettingBase & { readonly type: 'list'; readonly default: readonly string[] })
  | (SettingBase & { readonly type: 'choice'; readonly choices: readonly string[]; readonly default: string })

const TABLE = [
  {
    key: 'level',
    type: 'choice',
    choices: LEVELS,
    default: 'info',
    meaning: 'The least severe log lines to write.',
  },
  {
    key: 'debug',
    type: 'boolean',
    default: false,
    meaning:
      'Switches on the debug.* requests and resonate:debug_time. Never in production: a client may then move time.',
  },

  {
    key: 'server.host',
    type: 'text',
    default: 'localhost',
    meaning: 'Host name that workers reach this server by. Only used to build the default of server.url.',
  },
  {
    key: 'server.port',
    type: 'port',
    default: 8001,
    meaning: 'Port of the API. 0 picks a free one.',
  },
  {
    key: 'server.bind',
    type: 'text',
    default: '0.0.0.0',
    meaning: 'Address of the network interface to listen on.',
  },
  {
    key: 'server.url',
    type: 'text',
    default: '',
    meaning:
      'URL that workers are told to answer to (serverUrl of an execute). Empty: http://{server.host}:{server.port}, or https:// with server.tls.cert.',
  },
  {
    key: 'server.processes',
    type: 'integer',
    default: 1,
    min: 1,
    max: 256,
    flag: '--processes',
    meaning:
      'Processes that share the work and the port, to use that many cores. More than one need storage.type postgres; each has its own connections to it.',
  },
  {
    key: 'server.shutdown_timeout',
    type: 'duration',
    default: 10 * SECOND,
    min: 0,
    meaning: 'How long a stop waits for requests in flight before it cuts them off.',
  },
  {
    key: 'server.cors.allow_origins',
    type: 'list',
    default: [],
    flag: '--server-cors-allow-origin',
    meaning: 'Origins whose pages may call the API from a browser. Empty: none. *: any.',
  },
  {
    key: 'server.max_connections',
    type: 'integer',
    default: 20_000,
    min: 1,
    meaning: 'Open sockets on the API port. Past it a new connection is closed at once.',
  },
  {
    key: 'server.header_size',
    type: 'bytes',
    default: 16 * KIB,
    min: KIB,
    max: MIB,
    meaning: 'Bytes of the headers of one request, its path included. Past it 431.',
  },
  {
    key: 'server.header_timeout',
    type: 'duration',
    default: 10 * SECOND,
    min: 1,
    meaning: 'How long a client may take to send the headers of a request. Past it the connection is closed (408).',
  },
  {
    key: 'server.request_timeout',
    type: 'duration',
    default: 60 * SECOND,
    min: 1,
    meaning: 'How long a client may take to send a whole request. Past it the connection is closed (408).',
  },
  {
    key: 'server.idle_timeout',
    type: 'duration',
    default: 75 * SECOND,
    min: 1,
    meaning:
      'How long a connection without a request is kept open. Longer than the 60 s of common load balancers, so that they close first.',
  },

  {
    key: 'server.tls.cert',
    type: 'text',
    default: '',
    isReread: true,
    meaning:
      'PEM file of the certificate and what leads from it to the root. With it both ports, API and metrics, speak TLS only. It is read again when it changes.',
  },
  {
    key: 'server.tls.key',
    type: 'text',
    default: '',
    isReread: true,
    meaning: 'PEM file of the private key of server.tls.cert.',
  },
  {
    key: 'server.tls.min_version',
    type: 'choice',
    choices: ['1.2', '1.3'],
    default: '1.2',
    meaning: 'The oldest version of TLS that is spoken.',
  },
  {
    key: 'server.reload_interval',
    type: 'duration',
    default: 10 * SECOND,
    min: 0,
    meaning:
      'How often the files of certificates, keys and tokens are looked at for changes. 0: only on SIGHUP. What cannot be used is logged, and what was read before stays in use.',
  },

  {
    key: 'auth.publickey',
    type: 'text',
    default: '',
    isReread: true,
    meaning:
      'PEM file with the public keys that tokens are signed for: one, or several while keys change. Neither this nor auth.jwks_url: every request is accepted.',
  },
  {
    key: 'auth.jwks_url',
    type: 'text',
    default: '',
    meaning:
      'https URL of a JSON Web Key Set with the public keys that tokens are signed for. Plain http only on this machine.',
  },
  {
    key: 'auth.jwks_cache',
    type: 'duration',
    default: 600 * SECOND,
    min: SECOND,
    meaning: 'How long a key set is used before it is fetched again, with the next token.',
  },
  {
    key: 'auth.jwks_cooldown',
    type: 'duration',
    default: 30 * SECOND,
    min: SECOND,
    meaning:
      'A key set is fetched at most this often, also when a token names a key that is not in it or the last fetch failed.',
  },
  {
    key: 'auth.jwks_stale',
    type: 'duration',
    default: 24 * HOUR,
    min: 0,
    meaning:
      'How long a key set is used beyond auth.jwks_cache while it cannot be fetched. After that requests are answered 503.',
  },
  {
    key: 'auth.algorithms',
    type: 'list',
    default: [],
    meaning: `Signature algorithms that are accepted, of ${ALGORITHMS.join(' ')}. Empty: all that fit the key.`,
  },
  {
    key: 'auth.iss',
    type: 'text',
    default: '',
    meaning: 'The issuer that a token must name (claim iss). Empty: any.',
  },
  {
    key: 'auth.aud',
    type: 'list',
    default: [],
    meaning: 'Audiences, one of which a token must name (claim aud). Empty: any.',
  },
  {
    key: 'auth.clock_skew',
    type: 'duration',
    default: 60 * SECOND,
    min: 0,
    max: 600 * SECOND,
    meaning:
      'How far the clocks of the issuer and of this server may differ when exp and nbf of a token are looked at.',
  },
  {
    key: 'auth.cache_size',
    type: 'integer',
    default: 10_000,
    min: 1,
    meaning: 'Tokens whose signature is not checked again with every request. The least recently used go first.',
  },

  {
    key: 'storage.type',
    type: 'choice',
    choices: ['sqlite', 'postgres', 'memory'],
    default: 'sqlite',
    meaning:
      'Where promises, tasks and schedules are kept. memory forgets all of them when the server stops. Not given: postgres where a URL or host of one is given.',
  },
  {
    key: 'storage.sqlite.path',
    type: 'text',
    default: 'resonate.db',
    meaning: 'The SQLite file. One server at a time may use it.',
  },
  {
    key: 'storage.sqlite.backups',
    type: 'text',
    default: '',
    meaning: 'Folder that `resonate backup` writes to. Empty: the folder `backups` beside the file.',
  },
  {
    key: 'storage.postgres.url',
    type: 'text',
    default: '',
    isSecret: true,
    meaning:
      'The PostgreSQL database: postgres://user@host:5432/database?sslmode=verify-full&sslrootcert=/path/ca.pem. sslmode and sslrootcert as in psql.',
  },
  {
    key: 'storage.postgres.host',
    type: 'text',
    default: '',
    olderEnv: 'RESONATE_STORE_POSTGRES_HOST',
    meaning: 'Host of the database, where storage.postgres.url names none.',
  },
  {
    key: 'storage.postgres.port',
    type: 'port',
    default: 5432,
    olderEnv: 'RESONATE_STORE_POSTGRES_PORT',
    meaning: 'Port of the database, where storage.postgres.url names none.',
  },
  {
    key: 'storage.postgres.database',
    type: 'text',
    default: '',
    olderEnv: 'RESONATE_STORE_POSTGRES_DATABASE',
    meaning: 'Name of the database, where storage.postgres.url names none.',
  },
  {
    key: 'storage.postgres.username',
    type: 'text',
    default: '',
    olderEnv: 'RESONATE_STORE_POSTGRES_USERNAME',
    meaning: 'User of the database, where storage.postgres.url names none.',
  },
  {
    key: 'storage.postgres.password',
    type: 'text',
    default: '',
    olderEnv: 'RESONATE_STORE_POSTGRES_PASSWORD',
    isSecret: true,
    meaning:
      'Password of that user, where storage.postgres.url holds none. Never on the command line, where others of the machine can read it.',
  },
  {
    key: 'storage.postgres.password_file',
    type: 'text',
    default: '',
    meaning:
      'A file that holds the password. It is read again for each new connection, so that a password can be changed while the server runs.',
  },
  {
    key: 'storage.postgres.pool_size',
    type: 'integer',
    default: 10,
    min: 2,
    max: 1000,
    meaning: 'Connections to the database at most.',
  },
  {
    key: 'storage.postgres.pooler',
    type: 'boolean',
    default: false,
    meaning:
      'The URL leads to a pooler in transaction mode (PgBouncer, a serverless proxy): no prepared statements, nothing that a session would have to remember.',
  },
  {
    key: 'storage.postgres.notify',
    type: 'boolean',
    default: true,
    meaning:
      'Servers of one database wake each other by LISTEN and NOTIFY. Without, each looks for work of the others every 100 ms.',
  },
  {
    key: 'storage.postgres.notify_url',
    type: 'text',
    default: '',
    isSecret: true,
    meaning: 'Where to listen, if storage.postgres.url leads to a pooler: a URL that reaches the database itself.',
  },
  {
    key: 'storage.postgres.locks',
    type: 'choice',
    choices: ['advisory', 'table'],
    default: 'advisory',
    meaning:
      'How servers take turns on a promise. table: for databases without advisory locks. All servers of a database must agree.',
  },
  {
    key: 'storage.postgres.connect_timeout',
    type: 'duration',
    default: 5 * SECOND,
    min: 1,
    meaning: 'How long a connection to the database, or a free one of the pool, is waited for. Past it 503.',
  },
  {
    key: 'storage.postgres.lock_timeout',
    type: 'duration',
    default: 5 * SECOND,
    min: 1,
    meaning:
      'How long a statement waits for a lock in the database, and how long the transaction of a server that froze keeps its own. Past it 503.',
  },
  {
    key: 'storage.postgres.statement_timeout',
    type: 'duration',
    default: 8 * SECOND,
    min: 1,
    meaning:
      'How long one statement may take, a stalled network included. Past it 503. Less than the 10 s after which clients give up.',
  },

  {
    key: 'tasks.retry_timeout',
    type: 'duration',
    default: 30 * SECOND,
    min: 1,
    meaning: 'A task pushed to an http(s) target and not acquired is pushed again after this time.',
  },
  {
    key: 'tasks.offer_timeout',
    type: 'duration',
    default: 5 * SECOND,
    min: 1,
    meaning: 'A task offered to a connected worker and not acquired is offered again, elsewhere if it can be.',
  },
  {
    key: 'tasks.max_attempts',
    type: 'integer',
    default: 0,
    min: 0,
    meaning:
      'A task that was lost by its workers or given back so often in a row without progress is halted, with the reason, until somebody continues it. 0: it is tried for ever, once a minute at last.',
  },
  {
    key: 'tasks.disconnect_grace',
    type: 'duration',
    default: 5 * SECOND,
    min: 0,
    meaning:
      'A worker without a connection for this long loses its tasks to others. 0: they wait for the end of the lease.',
  },
  {
    key: 'tasks.disconnect_uptime',
    type: 'duration',
    default: 30 * SECOND,
    min: 0,
    meaning:
      'How long a server must have been up before it takes the tasks of workers without a connection: after a restart they need time to come back.',
  },
  {
    key: 'scaling.target_wait',
    type: 'duration',
    default: 5 * SECOND,
    min: 1,
    meaning:
      'How long a ready task may wait before it begins, for resonate_group_workers_desired. Shorter asks for more workers.',
  },
  {
    key: 'scaling.tasks_per_worker',
    type: 'integer',
    default: 10,
    min: 1,
    meaning:
      'Tasks that one worker works on at a time, for resonate_group_workers_desired, where workers do not state their capacity.',
  },
  {
    key: 'schedules.catchup_limit',
    type: 'integer',
    default: 1000,
    min: 1,
    meaning:
      'Missed occurrences of one schedule that are made up for after a downtime. Older ones are skipped and logged.',
  },
  {
    key: 'promises.retention',
    type: 'duration',
    default: 0,
    min: 0,
    max: 36_500 * 24 * HOUR,
    meaning:
      'Settled promises are deleted this long after they settled, unless something may still ask for them. 0: never. At least a minute.',
  },
  {
    key: 'messages.retention',
    type: 'duration',
    default: 24 * HOUR,
    min: 1,
    meaning: 'How long the news of a settled promise is kept for a listener that cannot be reached.',
  },

  {
    key: 'transports.http_poll.enabled',
    type: 'boolean',
    default: true,
    meaning: 'Workers may connect by GET /poll/{group}/{pid}.',
  },
  {
    key: 'transports.http_poll.max_connections',
    type: 'integer',
    default: 10_000,
    min: 1,
    meaning:
      'Worker connections on this server. Far above the 2,000 workers of a large fleet, since an idle one costs little memory and one that is turned away stands still.',
  },
  {
    key: 'transports.http_poll.buffer_size',
    type: 'integer',
    default: 100,
    min: 1,
    meaning: 'Messages written to a worker and not yet taken by its socket. Past it work goes to other workers.',
  },
  {
    key: 'transports.http_poll.buffer_bytes',
    type: 'bytes',
    default: MIB,
    min: 1,
    meaning: 'The same bound in bytes for one connection. One message always fits.',
  },
  {
    key: 'transports.http_poll.buffer_bytes_total',
    type: 'bytes',
    default: 64 * MIB,
    min: 1,
    meaning: 'The same bound in bytes over all connections: slow readers cannot use up the memory of the server.',
  },
  {
    key: 'transports.http_poll.keep_alive',
    type: 'duration',
    default: 15 * SECOND,
    min: 1,
    max: 15 * SECOND,
    meaning: 'A comment line is sent on a worker connection this often, so that proxies and dead peers are noticed.',
  },

  {
    key: 'transports.http_push.enabled',
    type: 'boolean',
    default: true,
    meaning: 'Messages may be POSTed to http:// and https:// addresses.',
  },
  {
    key: 'transports.http_push.private_networks',
    type: 'list',
    default: [],
    meaning:
      'Private networks that messages may be POSTed to, such as 10.0.0.0/8, or any. Without, only public addresses: whoever creates a promise names its target.',
  },
  {
    key: 'transports.http_push.auth.mode',
    type: 'choice',
    choices: ['none', 'bearer', 'gcp'],
    default: 'none',
    meaning:
      'What targets are shown: nothing, a token of yours, or an identity token of the Google platform that the server runs on.',
  },
  {
    key: 'transports.http_push.auth.token',
    type: 'text',
    default: '',
    isSecret: true,
    meaning: 'The token of mode bearer.',
  },
  {
    key: 'transports.http_push.auth.audience',
    type: 'text',
    default: '',
    flag: '--transports-http-push-auth-aud',
    meaning: 'For whom the identity token of mode gcp is. Empty: the URL of the target.',
  },
  {
    key: 'transports.http_push.auth.header',
    type: 'text',
    default: 'Authorization',
    meaning: 'The header that carries the token.',
  },
  {
    key: 'transports.http_push.auth.metadata_url',
    type: 'text',
    default: 'http://metadata.google.internal',
    meaning: 'Where mode gcp asks for identity tokens.',
  },
  {
    key: 'transports.http_push.secret',
    type: 'text',
    default: '',
    isSecret: true,
    meaning: 'Messages to targets are signed with it (header Resonate-Signature). Empty: they are not signed.',
  },
  {
    key: 'transports.http_push.targets_file',
    type: 'text',
    default: '',
    isReread: true,
    meaning:
      'A file of [[target]] tables with url, auth, token, audience, header and secret, for targets at or below such a URL. Read again when it changes.',
  },
  {
    key: 'transports.http_push.concurrency',
    type: 'integer',
    default: 1024,
    min: 1,
    meaning: 'POSTs in flight over all targets. The first POST of a target needs no place among them.',
  },
  {
    key: 'transports.http_push.target_concurrency',
    type: 'integer',
    default: 256,
    min: 1,
    meaning: 'POSTs in flight to one target. A worker may run a whole task inside one.',
  },
  {
    key: 'transports.http_push.target_queue',
    type: 'integer',
    default: 1000,
    min: 0,
    meaning:
      'Messages that wait for a place at one target. Past it a message counts as undelivered and is tried again later.',
  },
  {
    key: 'transports.http_push.max_targets',
    type: 'integer',
    default: 1024,
    min: 1,
    meaning: 'Targets with a POST in flight or waiting. Past it messages to further targets are tried again later.',
  },
  {
    key: 'transports.http_push.queue_bytes',
    type: 'bytes',
    default: 64 * MIB,
    min: 1,
    meaning:
      'Bytes of messages in flight or waiting, over all targets. Past it further messages are tried again later.',
  },
  {
    key: 'transports.http_push.connect_timeout',
    type: 'duration',
    default: 10 * SECOND,
    min: 1,
    meaning: 'How long a target may take to accept a connection.',
  },
  {
    key: 'transports.http_push.request_timeout',
    type: 'duration',
    default: 180 * SECOND,
    min: 1,
    meaning: 'How long a target may take to answer. Serverless workers run the task meanwhile.',
  },

  {
    key: 'observability.metrics_port',
    type: 'port',
    default: 9090,
    meaning:
      'Port of GET /metrics. 0 switches it off. If it cannot be had, that is logged and the server runs without.',
  },
  {
    key: 'observability.metrics_bind',
    type: 'text',
    default: '0.0.0.0',
    meaning: 'Address of the network interface that metrics are served on.',
  },
  {
    key: 'observability.metrics_token_file',
    type: 'text',
    default: '',
    isReread: true,
    meaning:
      'File with the token that a scrape of GET /metrics must bring as Authorization: Bearer. Empty: anyone who reaches the port may scrape. It is read again when it changes.',
  },
  {
    key: 'observability.audit_file',
    type: 'text',
    default: '',
    isReread: true,
    meaning:
      'File that a line is appended to for every act of an operator: who, what, on which id, with what outcome. Empty: to the log. It is opened again on SIGHUP.',
  },
  {
    key: 'observability.log_levels',
    type: 'list',
    default: [],
    flag: '--observability-log-level',
    meaning: `Levels of single components, such as http=debug, where they differ from level. Components: ${COMPONENTS.join(', ')}.`,
  },
  {
    key: 'observability.log_format',
    type: 'choice',
    choices: ['auto', 'json', 'pretty'],
    default: 'auto',
    meaning: 'One JSON object a line, or a form for people. auto: pretty on a terminal, else json.',
  },

  {
    key: 'limits.body_size',
    type: 'bytes',
    default: 4 * MIB,
    min: KIB,
    meaning: 'Bytes of one request body. Past it 413.',
  },
  {
    key: 'limits.batch_length',
    type: 'integer',
    default: 1000,
    min: 1,
    max: 1000,
    meaning: 'Envelopes in one batch body. Past it 400.',
  },
  {
    key: 'limits.queue_length',
    type: 'integer',
    default: 10_000,
    min: 1,
    meaning: 'Requests that are being decided, each envelope of a batch counted. Past it 503 with Retry-After.',
  },
  {
    key: 'limits.queue_bytes',
    type: 'bytes',
    default: 128 * MIB,
    min: KIB,
    meaning: 'Bytes of bodies that are being read or decided. Past it 503 with Retry-After.',
  },
  {
    key: 'limits.answer_size',
    type: 'bytes',
    default: 64 * MIB,
    min: KIB,
    meaning:
      'Bytes of all answers to one batch body. What is asked beyond is answered 503: ask for it again, in a shorter batch.',
  },
  {
    key: 'limits.unread_bytes',
    type: 'bytes',
    default: 256 * MIB,
    min: KIB,
    meaning:
      'Bytes of answers that clients have not taken yet. Past it 503 with Retry-After. Who takes nothing for server.request_timeout is cut off.',
  },
  {
    key: 'limits.token_rate',
    type: 'integer',
    default: 0,
    min: 0,
    meaning:
      'Requests a second that one token may make over a longer time, each envelope of a batch and each worker connection counted. Past it 429 with Retry-After. 0: any number.',
  },
  {
    key: 'limits.token_burst',
    type: 'integer',
    default: 1000,
    min: 1,
    meaning: 'Requests that one token may make at once after a pause. An array of more envelopes is refused in part.',
  },
  {
    key: 'limits.token_table',
    type: 'integer',
    default: 10_000,
    min: 1,
    meaning: 'Tokens whose rate is known. Past it the one that was used least recently starts anew.',
  },
  {
    key: 'limits.commit_length',
    type: 'integer',
    default: 1000,
    min: 1,
    meaning: 'Requests and steps of the server that are decided and committed together.',
  },
  {
    key: 'limits.tags',
    type: 'integer',
    default: DEFAULT_LIMITS.tagsMax,
    min: 1,
    meaning: 'Tags of one promise, or of one search. Past it 400, as for the limits below.',
  },
  {
    key: 'limits.tag_size',
    type: 'bytes',
    default: DEFAULT_LIMITS.tagBytesMax,
    min: 1,
    meaning: 'Bytes of one tag, name and value together.',
  },
  {
    key: 'limits.address_size',
    type: 'bytes',
    default: DEFAULT_LIMITS.addressBytesMax,
    min: 1,
    meaning: 'Bytes of an address (a target or a listener).',
  },
  {
    key: 'limits.value_headers',
    type: 'integer',
    default: DEFAULT_LIMITS.headersMax,
    min: 0,
    meaning: 'Headers of one value.',
  },
  {
    key: 'limits.value_headers_size',
    type: 'bytes',
    default: DEFAULT_LIMITS.headerBytesMax,
    min: 0,
    meaning: 'Bytes of all headers of one value, names and values together.',
  },
  {
    key: 'limits.suspend_actions',
    type: 'integer',
    default: DEFAULT_LIMITS.actionsMax,
    min: 1,
    meaning: 'Promises that one task.suspend may await.',
  },
  {
    key: 'limits.heartbeat_tasks',
    type: 'integer',
    default: DEFAULT_LIMITS.tasksMax,
    min: 1,
    meaning: 'Tasks that one task.heartbeat may list.',
  },
] as const satisfies readonly SettingRow[]

/** The rows, for whoever goes through them all. */
export const ROWS: readonly (SettingRow & { readonly key: ConfigKey })[] = TABLE

type Row = (typeof TABLE)[number]

type ValueOf<R> = R extends { type: 'choice'; choices: readonly (infer C)[] }
  ? C
  : R extends { type: 'boolean' }
    ? boolean
    : R extends { type: 'text' }
      ? string
      : R extends { type: 'list' }
        ? readonly string[]
        : number

/** A value for every key of the table, by the key itself: what the documentation names is what the code reads. */
export type Config = { readonly [R in Row as R['key']]: ValueOf<R> }
export type ConfigKey = keyof Config
