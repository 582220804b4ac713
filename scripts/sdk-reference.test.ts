// docs/sdk.md is what the sources say, and they say something of everything that is exported.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { membersOf, sdkReference, withEntryPoints } from './sdk-reference.ts'

test('docs/sdk.md is what the code says', () => {
  const written = readFileSync(join(import.meta.dirname, '../docs/sdk.md'), 'utf8')
  assert.equal(written, sdkReference(), 'Run: node scripts/sdk-reference.ts')
})

test('every export of every entry has a comment', () => {
  const silent = withEntryPoints((entries) =>
    entries.flatMap(({ name, exports }) =>
      exports.filter(({ doc }) => doc === '').map((each) => `${name}: ${each.name}`),
    ),
  )
  assert.deepEqual(silent, [])
})

test('every method has a comment, its own or that of the overload before it', () => {
  const silent = withEntryPoints((entries) =>
    entries.flatMap(({ exports }) =>
      exports.flatMap(({ name, text }) => silentMethods(text).map((each) => `${name}.${each}`)),
    ),
  )
  assert.deepEqual([...new Set(silent)], [])
})

/** The methods without a comment, but for constructors, what every promise has, and what an interface tells of its classes. */
function silentMethods(text: string): string[] {
  if (!/^(?:class|interface) /.test(text) || /^class [^{]* implements /.test(text)) return []
  const told = new Set(['constructor', 'then', 'catch', 'finally'])
  const silent: string[] = []
  for (const member of membersOf(text).slice(1)) {
    const name = /^ {4}(?:static )?(\w+)(?:<.*?>)?\(/m.exec(member)?.[1]
    if (name === undefined) continue
    if (member.startsWith('    /**')) told.add(name)
    else if (!told.has(name)) silent.push(name)
  }
  return silent
}

test('a class shows what it offers, not what it keeps for itself', () => {
  const text = `class A {
    #private;
    readonly id: string;
    /** Does it. */
    run(): {
        a: number;
    };
    /** For its own. */
    protected begin(options: {
        b: number;
    }): void;
}`
  assert.deepEqual(membersOf(text), [
    'class A {',
    '    readonly id: string;',
    '    /** Does it. */\n    run(): {\n        a: number;\n    };\n}',
  ])
})
