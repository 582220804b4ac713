// What this package offers, in the order in which its files may import one another.

export * from './config.ts'
export { storageText } from './database.ts'
export { type EngineWiring, type OpenEngine, openEngine } from './engine.ts'
export { EXTENSIONS } from './http.ts'
export { createLogger, type Logger, type LogOptions, prettyLine, silentLogger } from './log.ts'
export { METRICS, metricsPage } from './metrics.ts'
export { nearest } from './nearest.ts'
export { nodePlatform } from './platform.ts'
export { type Child, childProcess } from './processes/child.ts'
export { createProcesses } from './processes/primary.ts'
export {
  type Addresses,
  createServer,
  type Server,
  type ServerParts,
} from './server.ts'
export { openTracing, type Tracing } from './tracing.ts'
export { VERSION } from './version.ts'
