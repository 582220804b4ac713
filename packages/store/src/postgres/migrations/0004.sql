-- works with: 2
-- Who halted a task, when and why. An older program leaves it as it is, so it counts only while the task is halted since then.
alter table tasks add column halt text;
