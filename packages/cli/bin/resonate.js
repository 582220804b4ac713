#!/usr/bin/env node
// The `resonate` command as npm links it. Plain JavaScript, so that a Node too old for the rest can still say so.
// It must never do more than that.

const [major, minor] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 18)) {
  console.error(`resonate needs Node 22.18 or newer, and this is Node ${process.versions.node}.`)
  console.error('Inside a checkout of the repository, `npm run resonate -- <arguments>` brings its own.')
  process.exitCode = 1
} else {
  await import('../src/main.ts')
}
