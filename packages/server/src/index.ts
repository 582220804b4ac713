// What this package offers, in the order in which its files may import one another.

export { readFlags } from './config/command-line.ts'
export { hasFiles } from './config/derived.ts'
export { type ConfigResult, loadConfig } from './config/load.ts'
export { SETTINGS, type Setting } from './config/names.ts'
export { configPage, defaultText } from './config/reference.ts'
export type { Config, ConfigKey } from './config/settings.ts'
export type { ConfigSources } from './config/sources.ts'
export { storageText } from './database.ts'
export { type EngineWiring, type OpenEngine, openEngine } from './engine.ts'
export { EXTENSIONS } from './http/routes.ts'
export { createLogger, type Logger, type LogOptions, prettyLine, silentLogger } from './log.ts'
export { metricsPage } from './metrics/page.ts'
export { METRICS } from './metrics/table.ts'
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
