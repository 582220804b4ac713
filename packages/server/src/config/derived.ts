// What follows from settings, where more than one place needs to know it. Pure.

import type { RuleLimits } from '@resonatehq/protocol'
import { type Config, ROWS } from './settings.ts'

/** What workers are told to answer to. `port` is the one listened on, which matters where the setting is 0. */
export function serverUrlOf(config: Config, port: number): string {
  return config['server.url'] || `${schemeOf(config)}://${config['server.host']}:${port}`
}

/** What both ports speak. */
export function schemeOf(config: Config): 'http' | 'https' {
  return config['server.tls.cert'] === '' ? 'http' : 'https'
}

/** Whether there is anything that a server would read again when told to. */
export function hasFiles(config: Config): boolean {
  return ROWS.some(({ key, isReread }) => isReread && config[key] !== '')
}

/** What one request may hold, as the protocol's rules take it. */
export function ruleLimitsOf(config: Config): RuleLimits {
  const poll = config['transports.http_poll.enabled'] ? ['poll'] : []
  const push = config['transports.http_push.enabled'] ? ['http', 'https'] : []
  return {
    schemes: [...poll, ...push],
    addressBytesMax: config['limits.address_size'],
    tagsMax: config['limits.tags'],
    tagBytesMax: config['limits.tag_size'],
    headersMax: config['limits.value_headers'],
    headerBytesMax: config['limits.value_headers_size'],
    actionsMax: config['limits.suspend_actions'],
    tasksMax: config['limits.heartbeat_tasks'],
  }
}
