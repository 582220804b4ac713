-- A task knows since when it is in its state, not only since when it waits, and what it was suspended on; a worker's row,
-- what its last heartbeat said.

alter table tasks rename column ready_at to since_at;
alter table workers add column beat text;
alter table tasks add column awaits text;
delete from counters where name like 'tasks.fulfilled@%';
