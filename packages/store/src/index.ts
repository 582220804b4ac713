export { memoryStore } from './memory.ts'
export { SchemaError } from './migrate.ts'
export * from './store.ts'
