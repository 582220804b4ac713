-- The tables of SQLite, for many servers on one PostgreSQL. Ids sort as bytes of UTF-8 (collate "C"), whatever the database's
-- own order. What users give stays text: jsonb refuses \u0000. A `_key` is its text where that is short, else its beginning
-- and a hash: an index entry must fit a third of a page, and addresses alone can be over 2,000 bytes.

create table promises (
  id text collate "C" primary key,
  state text not null,
  param text not null,
  value text not null,
  tags text not null,
  origin text collate "C" not null,
  branch text collate "C",
  timeout_at bigint not null,
  created_at bigint not null,
  settled_at bigint,
  wake_at bigint
);
create index promises_origin on promises (origin, id) where origin <> id;
create index promises_branch on promises (branch, id) where branch <> id;
create index promises_wake on promises (wake_at, id) where wake_at is not null;

create table tasks (
  id text collate "C" primary key,
  state text not null,
  version bigint not null,
  ttl bigint,
  pid text collate "C",
  due_at bigint,
  ready_at bigint,
  offered_at bigint,
  resumes bigint not null,
  address text not null,
  queue text collate "C" not null,
  queue_key text collate "C" not null,
  worker text collate "C",
  lost bigint not null,
  released bigint not null
);
create index tasks_pending on tasks (due_at, id) where state = 'pending';
create index tasks_queue on tasks (queue_key, due_at, id) where state = 'pending';
create index tasks_pushed on tasks (due_at, id) where state = 'pending' and queue_key >= 'http' and queue_key < 'httq';
create index tasks_lease on tasks (due_at, id) where state = 'acquired';
create index tasks_held on tasks (pid, id) where pid is not null;
create index tasks_offered on tasks (worker, due_at) where state = 'pending' and offered_at is not null;

create table callbacks (
  awaited text collate "C" not null,
  awaiter text collate "C" not null,
  primary key (awaited, awaiter)
);

create table listeners (
  awaited text collate "C" not null,
  address_key text collate "C" not null,
  address text collate "C" not null,
  primary key (awaited, address_key)
);

create table unblocks (
  id text collate "C" not null,
  address_key text collate "C" not null,
  address text collate "C" not null,
  queue text collate "C" not null,
  queue_key text collate "C" not null,
  created_at bigint not null,
  primary key (id, address_key)
);
create index unblocks_queue on unblocks (queue_key, id, address_key);
create index unblocks_pushed on unblocks (id, address_key) where queue_key >= 'http' and queue_key < 'httq';
create index unblocks_created on unblocks (created_at, id, address_key);

create table workers (
  pid text collate "C" not null,
  server text collate "C" not null,
  "group" text collate "C" not null,
  capacity bigint,
  info text not null,
  seen_at bigint not null,
  gone_at bigint,
  primary key (pid, server, "group")
);
create index workers_server on workers (server) where gone_at is null;
create index workers_seen on workers (seen_at, pid);

create table schedules (
  id text collate "C" primary key,
  cron text not null,
  promise_id text not null,
  promise_timeout bigint not null,
  promise_param text not null,
  promise_tags text not null,
  created_at bigint not null,
  next_run_at bigint not null,
  last_run_at bigint
);
create index schedules_next on schedules (next_run_at, id);

-- A row per name and slot: servers of different slots do not wait for each other.
create table counters (
  name text collate "C" not null,
  slot bigint not null,
  value bigint not null,
  primary key (name, slot)
);

create table clock (
  one bigint primary key check (one = 1),
  floor_at bigint not null
);
insert into clock values (1, 0);

-- Where advisory locks are not to be had. At most 2^20 rows.
create table locks (
  key bigint primary key,
  taken bigint not null
);
