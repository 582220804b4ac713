-- works with: 2
-- Who halted a task, and why. An older program leaves it as it is.
alter table tasks add column halt text;
