-- works with: 2
-- For retention: what was settled, the longest ago first. Settled promises come in the order of time, so a new entry falls
-- on the last page.
create index promises_settled on promises (settled_at, id) where settled_at is not null;
