// The health check of both images, without a tool that they would have to carry: exits 0 where a URL answers 2xx, else 1
// with the reason, which `docker inspect` shows. The runtime ends it where it takes too long.
//
//   node health.mjs http://127.0.0.1:8001/health

const url = process.argv[2] ?? ''

try {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`it answered ${response.status}`)
} catch (error) {
  console.error(`${url} is not healthy: ${error.cause?.message ?? error.message}`)
  process.exitCode = 1
}
