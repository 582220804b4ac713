// Every setting of the server in one table: its name, unit, default and meaning. Parsing, checking, the flags of the
// command, the help text and the reference page all come from it, so adding a setting is adding a row.
// It must never read the environment, a file or the command line itself: it is handed what they held.
//
// Order: flags over environment over `resonate.toml` over defaults. Only the value that wins is checked, after merging;
// an unknown name is an error wherever it stands, because a misspelt setting that is ignored is found in production.

import { DEFAULT_LIMITS, quote, type RuleLimits } from '@resonatehq/protocol'
import { parse as parseToml, TomlError } from 'smol-toml'
import { ANY_NETWORK, cidrOf } from './dispatch/networks.ts'
import { COMPONENTS, LEVELS, readLevel } from './levels.ts'
import { nearest } from './nearest.ts'

const KIB = 1024
const MIB = 1024 * KIB
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 3600 * SECOND

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
}

interface NumberSetting extends SettingBase {
  /** `duration` is in ms and may be written `30s` or `1h30m`, `bytes` may be written `4MiB`. */
  readonly type: 'integer' | 'port' | 'duration' | 'bytes'
  readonly default: number
  readonly min?: number
  readonly max?: number
}

type SettingRow =
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
    meaning:
      'PEM file of the certificate and what leads from it to the root. With it both ports, API and metrics, speak TLS only. It is read again when it changes.',
  },
  {
    key: 'server.tls.key',
    type: 'text',
    default: '',
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
    meaning:
      'Signature algorithms that are accepted, of RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519. Empty: all that fit the key.',
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
    meaning:
      'File with the token that a scrape of GET /metrics must bring as Authorization: Bearer. Empty: anyone who reaches the port may scrape. It is read again when it changes.',
  },
  {
    key: 'observability.audit_file',
    type: 'text',
    default: '',
    meaning:
      'File that a line is appended to for every act of an operator: who, what, on which id, with what outcome. Empty: to the log. It is opened again on SIGHUP.',
  },
  {
    key: 'observability.log_levels',
    type: 'list',
    default: [],
    flag: '--observability-log-level',
    meaning:
      'Levels of single components, such as http=debug, where they differ from level. Components: http, poll, push, engine, auth.',
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

export interface Setting {
  readonly key: ConfigKey
  readonly env: string
  readonly olderEnv?: string
  readonly isSecret?: boolean
  /** As typed: `--server-port`. */
  readonly flag: string
  /** The flag as an option parser names it: `serverPort`. */
  readonly option: string
  readonly type: SettingRow['type']
  /** What stands for the value in help: `<PORT>`. Absent for a flag that may stand alone. */
  readonly placeholder: string
  readonly choices?: readonly string[]
  readonly min?: number
  readonly max?: number
  readonly default: string | number | boolean | readonly string[]
  readonly meaning: string
}

const ENV_PREFIX = 'RESONATE_'

/** What stands for a value in help. */
const PLACEHOLDERS = {
  boolean: '[true|false]',
  integer: '<N>',
  port: '<PORT>',
  duration: '<MS|30s>',
  bytes: '<BYTES|4MiB>',
  text: '<TEXT>',
  list: '<TEXT>',
} as const

/** Every setting, in the order of the reference page. */
export const SETTINGS: readonly Setting[] = TABLE.map(settingOf)

const BY_KEY: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((s) => [s.key, s]))
const BY_ENV: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((s) => [s.env, s]))
const BY_OLDER_ENV: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((s) => [s.olderEnv ?? '', s]))
const BY_FLAG: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((s) => [s.flag, s]))

/** Read by workers, clients and tests, which often share an environment with a server. */
const OTHERS_ENV = new Set(
  ['URL', 'TOKEN', 'TIMEOUT', 'PREFIX', 'GROUP', 'HOST', 'PORT', 'SCHEME'].map((name) => `RESONATE_${name}`),
)

/** What Kubernetes puts into every container of a namespace that has a service called `resonate` or `resonate-…`. */
const SERVICE_LINK =
  /^RESONATE_(?:[A-Z0-9_]+_)?(?:SERVICE_(?:HOST|PORT)(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)$/

function isOthers(name: string, value: string): boolean {
  return (
    OTHERS_ENV.has(name) ||
    name.startsWith('RESONATE_TEST_') ||
    SERVICE_LINK.test(name) ||
    /^(?:tcp|udp|sctp):\/\//.test(value)
  )
}

/** Settings of other Resonate servers that mean nothing here, and why: said to whoever brings a file along. */
const GONE: Readonly<Record<string, string>> = {
  'tasks.lease_timeout': 'a worker states its lease with each task it takes',
  'timeouts.poll_interval': 'due steps fire by timer',
  'messages.poll_interval': 'work is handed out the moment it is ready',
  'messages.batch_size': 'work is handed out the moment it is ready',
  'observability.otlp_endpoint': 'traces go where OTEL_EXPORTER_OTLP_ENDPOINT says (docs/tracing.md)',
}

export interface ConfigSources {
  /** By key of the table or by option name (`serverPort`); strings as typed, lists as arrays. */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** `resonate.toml`, if there is one. */
  readonly file?: { readonly path: string; readonly text: string }
}

export type ConfigResult = { readonly config: Config } | { readonly problems: readonly string[] }

/** A value with the name of the place it came from, for messages. */
interface Raw {
  readonly value: unknown
  readonly from: string
}

/** Merges, then checks. Every problem is reported, not just the first. */
export function loadConfig(sources: ConfigSources): ConfigResult {
  const problems: string[] = []
  const raw = new Map<string, Raw>()
  for (const layer of [fileValues(sources.file, problems), envValues(sources.env ?? {}, problems)]) merge(raw, layer)
  merge(raw, flagValues(sources.flags ?? {}, problems))

  if (!raw.has('storage.type') && (isGiven(raw, 'storage.postgres.url') || isGiven(raw, 'storage.postgres.host')))
    raw.set('storage.type', { value: 'postgres', from: 'storage.type' })
  const config: Record<string, unknown> = {}
  for (const setting of SETTINGS) config[setting.key] = checkedValue(setting, raw.get(setting.key), problems)
  // Rules between settings are only worth telling once each setting is sound by itself.
  if (problems.length === 0) problems.push(...conflicts(config as Config))
  return problems.length > 0 ? { problems } : { config: config as Config }
}

function isGiven(raw: ReadonlyMap<string, Raw>, key: ConfigKey): boolean {
  const value = raw.get(key)?.value
  return value !== undefined && value !== ''
}

/** What workers are told to answer to. `port` is the one listened on, which matters where the setting is 0. */
export function serverUrlOf(config: Config, port: number): string {
  return config['server.url'] || `${schemeOf(config)}://${config['server.host']}:${port}`
}

/** What both ports speak. */
export function schemeOf(config: Config): 'http' | 'https' {
  return config['server.tls.cert'] === '' ? 'http' : 'https'
}

/** Whether there is anything that a server would read again when told to. */
export function hasFiles(config: Config): boolean {
  const files = [
    'server.tls.cert',
    'auth.publickey',
    'observability.metrics_token_file',
    'observability.audit_file',
    'transports.http_push.targets_file',
  ] as const
  return files.some((key) => config[key] !== '')
}

/** What one request may hold, as the protocol's rules take it. */
export function ruleLimitsOf(config: Config): RuleLimits {
  const poll = config['transports.http_poll.enabled'] ? ['poll'] : []
  const push = config['transports.http_push.enabled'] ? ['http', 'https'] : []
  return {
    schemes: [...poll, ...push],
    addressBytesMax: config['limits.address_size'],
    tagsMax: config['limits.tags'],
    tagBytesMax: config['limits.tag_size'],
    headersMax: config['limits.value_headers'],
    headerBytesMax: config['limits.value_headers_size'],
    actionsMax: config['limits.suspend_actions'],
    tasksMax: config['limits.heartbeat_tasks'],
  }
}

/** Splits a command line into flags by key. Everything else on it is an error. */
export function readFlags(args: readonly string[]): { flags: Record<string, unknown> } | { problems: string[] } {
  const flags: Record<string, unknown> = {}
  const problems: string[] = []
  for (let at = 0; at < args.length; at++) {
    const [name = '', inline] = splitOnce(args[at] ?? '', '=')
    const setting = BY_FLAG.get(name)
    if (!name.startsWith('-'))
      problems.push(`unexpected argument ${quote(args[at])}: settings are flags, listed by --help`)
    else if (!setting) {
      problems.push(unknownName(name, [...BY_FLAG.keys()], 'flag'))
      // Its value is not to be called a mistake of its own.
      if (inline === undefined && args[at + 1]?.startsWith('-') === false) at++
    } else if (inline !== undefined) addFlag(flags, setting, inline)
    else if (setting.type === 'boolean' && !isBooleanWord(args[at + 1])) addFlag(flags, setting, true)
    else if (at + 1 >= args.length) problems.push(`${name} needs a value: ${setting.placeholder}`)
    else addFlag(flags, setting, args[++at])
  }
  return problems.length > 0 ? { problems } : { flags }
}

/** The settings as help text: the flag with its default, then what it means. */
export function configHelp(): string {
  const sections = Map.groupBy(SETTINGS, ({ key }) => key.slice(0, Math.max(0, key.lastIndexOf('.'))))
  return [...sections].map(([section, settings]) => sectionHelp(section, settings)).join('\n\n')
}

function sectionHelp(section: string, settings: readonly Setting[]): string {
  return [section === '' ? 'Options:' : `[${section}]`, ...settings.map(settingHelp)].join('\n')
}

function settingHelp(setting: Setting): string {
  const lines = wrapped(`${setting.meaning} (default: ${defaultText(setting)})`, HELP_WIDTH)
  return [`  ${setting.flag} ${setting.placeholder}`, ...lines.map((line) => `      ${line}`)].join('\n')
}

const HELP_WIDTH = 74

/** Lines of at most so many characters, where no word is longer. */
function wrapped(text: string, width: number): string[] {
  return (text.match(new RegExp(`\\S.{0,${width - 1}}(?= |$)|\\S+`, 'g')) ?? []).map((line) => line.trimEnd())
}

/** The settings as a Markdown page. */
export function configPage(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|')
  const rows = SETTINGS.map(
    (s) => `| \`${s.key}\` | \`${s.flag}\` | ${cell(unitOf(s))} | ${cell(defaultText(s))} | ${cell(s.meaning)} |`,
  )
  return [
    '# Configuration',
    '',
    'Flags win over environment variables, those over `resonate.toml` in the working folder, that over the defaults.',
    'An environment variable is the key in capitals behind `RESONATE_`, with `__` for each dot:',
    '`server.port` is `RESONATE_SERVER__PORT`. Durations are milliseconds or written like `30s` and `1h30m`,',
    'sizes are bytes or written like `4MiB`. An unknown name is an error.',
    '',
    '| key | flag | unit | default | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

function settingOf(row: Row): Setting {
  const flag = 'flag' in row ? row.flag : `--${row.key.replaceAll(/[._]/g, '-')}`
  return {
    ...row,
    flag,
    env: `${ENV_PREFIX}${row.key.toUpperCase().replaceAll('.', '__')}`,
    option: flag.slice(2).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    placeholder: row.type === 'choice' ? `<${row.choices.join('|')}>` : PLACEHOLDERS[row.type],
  }
}

function unitOf(setting: Setting): string {
  return setting.type === 'choice' ? (setting.choices ?? []).join(', ') : UNITS[setting.type]
}

const UNITS: Readonly<Record<Exclude<SettingRow['type'], 'choice'>, string>> = {
  boolean: 'true, false',
  integer: 'number',
  port: 'port',
  duration: 'duration',
  bytes: 'size',
  text: 'text',
  list: 'list',
}

/** The default, in a form in which it could be given. */
export function defaultText({ type, default: value }: Setting): string {
  if (Array.isArray(value) || value === '') return 'none'
  if (type === 'duration') return inUnits(Number(value), DURATION_UNITS)
  if (type === 'bytes') return inUnits(Number(value), { KiB: KIB, MiB: MIB })
  return String(value)
}

/** In the largest unit of which it is a whole number. */
function inUnits(value: number, units: Readonly<Record<string, number>>): string {
  const whole = Object.entries(units).filter(([, size]) => value > 0 && value % size === 0)
  const [unit, size] = whole.reduce((largest, each) => (each[1] > largest[1] ? each : largest), ['', 1])
  return `${value / size}${unit}`
}

function merge(into: Map<string, Raw>, layer: ReadonlyMap<string, Raw>): void {
  for (const [key, raw] of layer) into.set(key, raw)
}

function fileValues(file: ConfigSources['file'], problems: string[]): Map<string, Raw> {
  const values = new Map<string, Raw>()
  if (!file) return values
  try {
    flatten(parseToml(file.text), '', file.path, values, problems)
  } catch (error) {
    problems.push(
      `${file.path} is not valid TOML${error instanceof TomlError ? whereAndWhy(error) : `: ${String(error)}`}`,
    )
  }
  return values
}

/** One line of what the parser draws over several. */
function whereAndWhy({ line, message }: TomlError): string {
  const [reason] = message.replace('Invalid TOML document: ', '').split('\n')
  return `, line ${line}: ${reason}`
}

/** Nested tables to dotted keys. Only a key of the table, or a table on the way to one, may appear. */
function flatten(table: object, prefix: string, path: string, into: Map<string, Raw>, problems: string[]): void {
  for (const [name, value] of Object.entries(table)) {
    const key = prefix + name
    if (BY_KEY.has(key)) into.set(key, { value, from: `${key} in ${path}` })
    else if (isTable(value) && isSection(key)) flatten(value, `${key}.`, path, into, problems)
    else problems.push(`${path}: ${unknownName(key, [...BY_KEY.keys()], 'key')}`)
  }
}

function isTable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** Also the sections of settings that are gone, so that the message names the setting and not its section. */
function isSection(key: string): boolean {
  return [...BY_KEY.keys(), ...Object.keys(GONE)].some((known) => known.startsWith(`${key}.`))
}

function envValues(env: Readonly<Record<string, string | undefined>>, problems: string[]): Map<string, Raw> {
  const values = new Map<string, Raw>()
  for (const [name, value] of Object.entries(env)) {
    // Set to nothing is how a compose file leaves a variable out.
    if (!name.startsWith(ENV_PREFIX) || value === undefined || value === '') continue
    const setting = BY_ENV.get(name) ?? BY_OLDER_ENV.get(name)
    if (!setting && isOthers(name, value)) continue
    if (setting && name === setting.olderEnv && env[setting.env]) continue
    if (setting) values.set(setting.key, { value, from: name })
    else problems.push(unknownName(name, [...BY_ENV.keys()], 'environment variable', ENV_PREFIX))
  }
  return values
}

function flagValues(flags: Readonly<Record<string, unknown>>, problems: string[]): Map<string, Raw> {
  const values = new Map<string, Raw>()
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue
    const setting = BY_KEY.get(name) ?? SETTINGS.find((s) => s.option === name)
    if (setting) values.set(setting.key, { value, from: setting.flag })
    else problems.push(unknownName(name, [...BY_KEY.keys()], 'flag'))
  }
  return values
}

function addFlag(flags: Record<string, unknown>, setting: Setting, value: unknown): void {
  const before = flags[setting.key]
  flags[setting.key] = setting.type === 'list' && Array.isArray(before) ? [...before, value] : asFlag(setting, value)
}

function asFlag(setting: Setting, value: unknown): unknown {
  return setting.type === 'list' ? [value] : value
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** What they all begin with, `prefix`, makes no two of them alike. */
function unknownName(name: string, known: readonly string[], what: string, prefix = ''): string {
  const reason = GONE[keyOf(name)]
  if (reason) return `${name} is not a setting of this server: ${reason}. Remove it.`
  const own = (full: string) => full.slice(prefix.length)
  const near = nearest(own(name), known.map(own))
  return `unknown ${what} ${name}${near ? `. Did you mean ${prefix}${near}?` : '. The settings are listed by --help.'}`
}

/** The key that a flag or a variable would stand for, to look it up among those that are gone. */
function keyOf(name: string): string {
  const bare = name
    .replace(/^RESONATE_/, '')
    .replace(/^--/, '')
    .toLowerCase()
  const asKey = (text: string) => text.replaceAll(/__|[-._]/g, '.')
  return Object.keys(GONE).find((key) => asKey(key) === asKey(bare)) ?? ''
}

function checkedValue(setting: Setting, raw: Raw | undefined, problems: string[]): unknown {
  if (!raw) return setting.default
  const value = parseValue(setting, raw.value)
  if (value !== undefined) return value
  problems.push(
    `${raw.from} must be ${expected(setting)}, but is ${setting.isSecret ? 'not' : JSON.stringify(raw.value)}`,
  )
  return setting.default
}

/** Undefined: not a value of this setting. */
function parseValue(setting: Setting, value: unknown): unknown {
  switch (setting.type) {
    case 'boolean':
      return typeof value === 'boolean' ? value : isBooleanWord(value) ? value === 'true' : undefined
    case 'choice':
      return setting.choices?.includes(value as string) ? value : undefined
    case 'text':
      return typeof value === 'string' ? value : undefined
    case 'list':
      return parseList(value)
    case 'integer':
    case 'port':
    case 'duration':
    case 'bytes':
      return inRange(setting, parseNumber(setting.type, value))
  }
}

function isBooleanWord(value: unknown): boolean {
  return value === 'true' || value === 'false'
}

function parseList(value: unknown): readonly string[] | undefined {
  const items = typeof value === 'string' ? value.split(',') : value
  if (!Array.isArray(items) || !items.every((item) => typeof item === 'string')) return undefined
  return items.map((item: string) => item.trim()).filter((item) => item !== '')
}

function parseNumber(type: NumberSetting['type'], value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined
  if (typeof value !== 'string') return undefined
  if (/^\d+$/.test(value)) return Number(value)
  if (type === 'duration') return parseDuration(value)
  return type === 'bytes' ? parseBytes(value) : undefined
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: 60 * SECOND, h: HOUR, d: 24 * HOUR }

/** `30s`, `1h30m`: whole numbers with a unit, one after the other. Undefined: not a duration. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return undefined
  let sum = 0
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g))
    sum += Number(count) * (DURATION_UNITS[unit ?? ''] ?? 0)
  return sum
}

const BYTE_UNITS: Readonly<Record<string, number>> = { KiB: KIB, MiB: MIB, GiB: KIB * MIB, kB: 1e3, MB: 1e6, GB: 1e9 }

function parseBytes(text: string): number | undefined {
  const [, count, unit] = /^(\d+) ?(KiB|MiB|GiB|kB|MB|GB)$/.exec(text) ?? []
  return unit === undefined ? undefined : Number(count) * (BYTE_UNITS[unit] ?? 0)
}

function inRange(setting: Setting, value: number | undefined): number | undefined {
  const { min, max } = rangeOf(setting)
  return value !== undefined && Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined
}

function rangeOf(setting: Setting): { min: number; max: number } {
  if (setting.type === 'port') return { min: 0, max: 65_535 }
  // A timer of Node cannot wait longer than 2^31 - 1 ms and would fire at once.
  const most = setting.type === 'duration' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER
  return { min: setting.min ?? 0, max: setting.max ?? most }
}

function expected(setting: Setting): string {
  switch (setting.type) {
    case 'boolean':
      return 'true or false'
    case 'choice':
      return `one of ${(setting.choices ?? []).join(', ')}`
    case 'text':
      return 'a text'
    case 'list':
      return 'a list of texts'
    case 'integer':
    case 'port':
      return `a whole number${rangeText(setting)}`
    case 'duration':
      return `a duration (milliseconds, or 30s, 1h30m)${rangeText(setting)}`
    case 'bytes':
      return `a size (bytes, or 512KiB, 4MiB)${rangeText(setting)}`
  }
}

function rangeText(setting: Setting): string {
  const { min, max } = rangeOf(setting)
  return setting.max === undefined && setting.type !== 'port' ? ` of at least ${min}` : ` from ${min} to ${max}`
}

/** Settings that are sound one by one and not together. */
function conflicts(config: Config): string[] {
  const found: string[] = []
  const port = config['server.port']
  if (port !== 0 && port === config['observability.metrics_port'])
    found.push(`server.port and observability.metrics_port are both ${port}. Choose two ports, or 0 for no metrics.`)
  if (config['server.url'] !== '' && !isHttpUrl(config['server.url']))
    found.push(`server.url must be an http:// or https:// URL, but is ${JSON.stringify(config['server.url'])}`)
  if (config['storage.type'] === 'sqlite' && config['storage.sqlite.path'] === '')
    found.push('storage.sqlite.path must name a file. To keep nothing, set storage.type to memory.')
  if (config['storage.type'] === 'postgres') found.push(...databaseConflicts(config))
  if (config['server.processes'] > 1) found.push(...processesConflicts(config))
  if (config['promises.retention'] > 0 && config['promises.retention'] < MINUTE)
    found.push('promises.retention must be at least 1m, or 0 to keep settled promises for ever.')
  if (config['limits.body_size'] > config['limits.queue_bytes'])
    found.push('limits.queue_bytes must be at least limits.body_size, or the largest body is never accepted.')
  if (config['limits.batch_length'] > config['limits.queue_length'])
    found.push('limits.queue_length must be at least limits.batch_length, or the longest batch is never accepted.')
  if (config['limits.batch_length'] > config['limits.commit_length'])
    found.push('limits.commit_length must be at least limits.batch_length: the envelopes of one batch stay together.')
  for (const text of config['observability.log_levels'])
    if (readLevel(text) === null)
      found.push(
        `observability.log_levels must hold a component and a level each (${COMPONENTS.join(', ')} = ${LEVELS.join(', ')}), such as http=debug, but has ${JSON.stringify(text)}`,
      )
  found.push(...pushConflicts(config))
  found.push(...tlsConflicts(config), ...authConflicts(config))
  for (const origin of config['server.cors.allow_origins'])
    if (origin !== '*' && !isOrigin(origin))
      found.push(
        `server.cors.allow_origins must hold origins like https://example.com or *, but has ${JSON.stringify(origin)}`,
      )
  return found
}

function processesConflicts(config: Config): string[] {
  const found: string[] = []
  if (config['storage.type'] !== 'postgres')
    found.push(
      `server.processes is ${config['server.processes']}, but several processes can share only a PostgreSQL, and storage.type is ${config['storage.type']}. Set storage.postgres.url, or leave one process.`,
    )
  if (config['server.port'] === 0)
    found.push('server.port must be chosen where server.processes is more than 1, but is 0 (any that is free).')
  return found
}

function databaseConflicts(config: Config): string[] {
  const found: string[] = []
  for (const key of ['storage.postgres.url', 'storage.postgres.notify_url'] as const)
    if (config[key] !== '' && !isPostgresUrl(config[key]))
      found.push(
        `${key} must be a URL like postgres://user@host:5432/database, with what is special in a name or password written as %40`,
      )
  if (config['storage.postgres.url'] === '' && config['storage.postgres.host'] === '')
    found.push('storage.postgres.url must say where the database is: postgres://user@host:5432/database')
  if (config['storage.postgres.password'] !== '' && config['storage.postgres.password_file'] !== '')
    found.push('storage.postgres.password and storage.postgres.password_file are both given. Keep one.')
  return found
}

function tlsConflicts(config: Config): string[] {
  const [cert, key] = [config['server.tls.cert'], config['server.tls.key']]
  if ((cert === '') !== (key === ''))
    return [
      'server.tls.cert and server.tls.key belong together: a certificate and its private key. Give both, or neither.',
    ]
  return []
}

function authConflicts(config: Config): string[] {
  const found: string[] = []
  const [publickey, url] = [config['auth.publickey'], config['auth.jwks_url']]
  if (publickey === 'none')
    found.push('auth.publickey must not be none: whoever asks could write a token of their own. Name a PEM file.')
  if (publickey !== '' && url !== '') found.push('auth.publickey and auth.jwks_url are both given. Keep one.')
  if (url !== '' && !isKeySetUrl(url))
    found.push(
      `auth.jwks_url must be an https:// URL, or http:// on this machine (localhost), but is ${JSON.stringify(url)}`,
    )
  for (const algorithm of config['auth.algorithms'])
    if (!ALGORITHMS.includes(algorithm))
      found.push(`auth.algorithms must hold some of ${ALGORITHMS.join(' ')}, but has ${JSON.stringify(algorithm)}`)
  if (publickey === '' && url === '') found.push(...needlessWithoutKey(config))
  return found
}

/** Signature algorithms of tokens. None with a shared secret: a public key would be taken for one. */
export const ALGORITHMS: readonly string[] =
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')

/** Whoever asks for a check that cannot be made must hear of it: the server would be open. */
function needlessWithoutKey(config: Config): string[] {
  const asked: Partial<Record<ConfigKey, boolean>> = {
    'auth.iss': config['auth.iss'] !== '',
    'auth.aud': config['auth.aud'].length > 0,
    'auth.algorithms': config['auth.algorithms'].length > 0,
    'limits.token_rate': config['limits.token_rate'] > 0,
  }
  return Object.entries(asked)
    .filter(([, isAsked]) => isAsked)
    .map(([key]) => `${key} needs a key to check tokens with: set auth.publickey or auth.jwks_url, or remove it.`)
}

function isKeySetUrl(text: string): boolean {
  if (!isHttpUrl(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text)
}

function isOrigin(text: string): boolean {
  return isHttpUrl(text) && new URL(text).origin === text
}

function pushConflicts(config: Config): string[] {
  const found: string[] = []
  for (const network of config['transports.http_push.private_networks'])
    if (network !== ANY_NETWORK && cidrOf(network) === null)
      found.push(
        `transports.http_push.private_networks must hold networks like 10.0.0.0/8 or ${ANY_NETWORK}, but has ${JSON.stringify(network)}`,
      )
  if (config['transports.http_push.auth.mode'] === 'bearer' && config['transports.http_push.auth.token'] === '')
    found.push('transports.http_push.auth.mode is bearer, and there is no transports.http_push.auth.token.')
  if (!/^[A-Za-z0-9-]+$/.test(config['transports.http_push.auth.header']))
    found.push('transports.http_push.auth.header must be the name of a header, like Authorization.')
  return found
}
