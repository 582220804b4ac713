// How the help of each command ends: with a line to copy. Tests run every one of these lines.

/** For `addHelpText('after', …)`. */
export function example(...lines: readonly string[]): string {
  return ['', lines.length === 1 ? 'Example:' : 'Examples:', ...lines.map((line) => `  $ ${line}`)].join('\n')
}

/** How this program is started where it runs: by its name, or through npm from a checkout. */
export function programName(env: Readonly<Record<string, string | undefined>>): string {
  const script = env.npm_lifecycle_event
  if (script === undefined) return 'resonate'
  return script === 'npx' ? 'npx resonate' : 'npm run resonate --'
}
