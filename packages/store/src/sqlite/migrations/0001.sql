-- Promises wide and written twice, tasks narrow and hot, waiters one row each.
-- Every index stands for one read of the Store interface; partial where only some states are looked for.

create table promises (
  id text primary key,
  state text not null,
  param text not null,
  value text not null,
  tags text not null,
  origin text not null,
  branch text,
  timeout_at integer not null,
  created_at integer not null,
  settled_at integer,
  wake_at integer
) strict;
-- A root, and a promise with a branch of its own, are found by their ids. Left out of these indexes, because an id falls on
-- a page at random: each entry less is a page less to write for every workflow.
create index promises_origin on promises (origin, id) where origin <> id;
create index promises_branch on promises (branch, id) where branch <> id;
create index promises_wake on promises (wake_at, id) where wake_at is not null;

create table tasks (
  id text primary key,
  state text not null,
  version integer not null,
  ttl integer,
  pid text,
  due_at integer,
  ready_at integer,
  offered_at integer,
  resumes integer not null,
  address text not null,
  queue text not null,
  worker text,
  lost integer not null,
  released integer not null
) strict;
create index tasks_pending on tasks (due_at, id) where state = 'pending';
create index tasks_queue on tasks (queue, due_at, id) where state = 'pending';
create index tasks_pushed on tasks (due_at, id) where state = 'pending' and queue >= 'http' and queue < 'httq';
create index tasks_lease on tasks (due_at, id) where state = 'acquired';
create index tasks_held on tasks (pid, id) where pid is not null;
create index tasks_offered on tasks (worker, due_at) where state = 'pending' and offered_at is not null;

create table callbacks (
  awaited text not null,
  awaiter text not null,
  primary key (awaited, awaiter)
) strict, without rowid;

create table listeners (
  awaited text not null,
  address text not null,
  primary key (awaited, address)
) strict, without rowid;

create table unblocks (
  id text not null,
  address text not null,
  queue text not null,
  created_at integer not null,
  primary key (id, address)
) strict, without rowid;
create index unblocks_queue on unblocks (queue, id, address);
create index unblocks_pushed on unblocks (id, address) where queue >= 'http' and queue < 'httq';
create index unblocks_created on unblocks (created_at, id, address);

create table workers (
  pid text not null,
  server text not null,
  "group" text not null,
  capacity integer,
  info text not null,
  seen_at integer not null,
  gone_at integer,
  primary key (pid, server, "group")
) strict, without rowid;
create index workers_server on workers (server) where gone_at is null;

create table schedules (
  id text primary key,
  cron text not null,
  promise_id text not null,
  promise_timeout integer not null,
  promise_param text not null,
  promise_tags text not null,
  created_at integer not null,
  next_run_at integer not null,
  last_run_at integer
) strict;
create index schedules_next on schedules (next_run_at, id);

create table counters (
  name text primary key,
  value integer not null
) strict, without rowid;

create table clock (
  one integer primary key check (one = 1),
  floor_at integer not null
) strict;
insert into clock values (1, 0);
