// The settings for people to read: the help of the command and the page of the documentation.

import { SETTINGS, type Setting } from './names.ts'
import type { SettingRow } from './settings.ts'
import { bytesText, durationText } from './units.ts'

/** The settings as help text: the flag with its default, then what it means. */
export function configHelp(): string {
  const sections = Map.groupBy(SETTINGS, ({ key }) => key.slice(0, Math.max(0, key.lastIndexOf('.'))))
  return [...sections].map(([section, settings]) => sectionHelp(section, settings)).join('\n\n')
}

function sectionHelp(section: string, settings: readonly Setting[]): string {
  return [section === '' ? 'Options:' : `[${section}]`, ...settings.map(settingHelp)].join('\n')
}

function settingHelp(setting: Setting): string {
  const lines = wrapped(`${setting.meaning} (default: ${defaultText(setting)})`, HELP_WIDTH)
  return [`  ${setting.flag} ${setting.placeholder}`, ...lines.map((line) => `      ${line}`)].join('\n')
}

const HELP_WIDTH = 74

/** Lines of at most so many characters, where no word is longer. */
function wrapped(text: string, width: number): string[] {
  return (text.match(new RegExp(`\\S.{0,${width - 1}}(?= |$)|\\S+`, 'g')) ?? []).map((line) => line.trimEnd())
}

/** The settings as a Markdown page: a section for each table of resonate.toml, so that a search leads to the right one. */
export function configPage(): string {
  const sections = Map.groupBy(SETTINGS, ({ key }) => /^(?:transports\.)?\w+(?=\.)/.exec(key)?.[0] ?? '')
  return [
    '# Configuration',
    '',
    'Flags win over environment variables, those over `resonate.toml` in the working folder, that over the defaults.',
    'An environment variable is the key in capitals behind `RESONATE_`, with `__` for each dot:',
    '`server.port` is `RESONATE_SERVER__PORT`. Durations are milliseconds or written like `30s` and `1h30m`,',
    'sizes are bytes or written like `4MiB`. An unknown name is an error.',
    '',
    ...[...sections].flatMap(([name, settings]) => sectionPage(name, settings)),
  ].join('\n')
}

function sectionPage(name: string, settings: readonly Setting[]): string[] {
  const heading = name === '' ? [] : [`## ${name}`, '']
  return [
    ...heading,
    '| setting, flag | values, default | meaning |',
    '| --- | --- | --- |',
    ...settings.map(settingRow),
    '',
  ]
}

function settingRow(setting: Setting): string {
  const cell = (text: string) => text.replaceAll('|', '\\|')
  const names = `\`${setting.key}\`<br>\`${setting.flag}\``
  return `| ${names} | ${cell(unitOf(setting))}<br>${cell(defaultText(setting))} | ${cell(setting.meaning)} |`
}

function unitOf(setting: Setting): string {
  return setting.type === 'choice' ? setting.choices.join(', ') : UNITS[setting.type]
}

const UNITS: Readonly<Record<Exclude<SettingRow['type'], 'choice'>, string>> = {
  boolean: 'true, false',
  integer: 'number',
  port: 'port',
  duration: 'duration',
  bytes: 'size',
  text: 'text',
  list: 'list',
}

/** The default, in a form in which it could be given. */
export function defaultText({ type, default: value }: Setting): string {
  if (Array.isArray(value) || value === '') return 'none'
  if (type === 'duration') return durationText(value)
  if (type === 'bytes') return bytesText(value)
  return String(value)
}
