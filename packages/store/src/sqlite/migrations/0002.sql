-- A task knows since when it is in its state, not only since when it waits; a worker's row, what its last heartbeat said.
-- What a task waits for is found from its side too, by whoever asks why it does not go on.

alter table tasks rename column ready_at to since_at;
alter table workers add column beat text;
create index callbacks_awaiter on callbacks (awaiter, awaited);
delete from counters where name like 'tasks.fulfilled@%';
