// What this package offers without a database: the contract of a store, and the one in memory. SQLite is a subpath of
// its own, so that importing this never loads it.

export { memoryStore } from './memory.ts'
export { SchemaError } from './migrate.ts'
export * from './store.ts'
