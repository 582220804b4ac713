// A real Prometheus with our alerts, over targets of this machine. It scrapes far more often than one would, so that a test
// need not wait for it.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort } from '../../conformance/test/ports.ts'
import { Process } from '../../conformance/test/processes.ts'
import { ROOT } from './image.ts'
import { toolPath } from './tools.ts'

export class Prometheus {
  readonly #url: string

  private constructor(url: string) {
    this.#url = url
  }

  /** Resolves when it can be asked. It ends with the test. */
  static async start(t: TestContext, ...ports: readonly number[]): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'resonate-prometheus-'))
    const targets = JSON.stringify(ports.map((port) => `127.0.0.1:${port}`))
    const config = [
      'global: { scrape_interval: 200ms, evaluation_interval: 200ms }',
      `rule_files: [${join(ROOT, 'deploy/prometheus/alerts.yml')}]`,
      `scrape_configs: [{ job_name: resonate, static_configs: [{ targets: ${targets} }] }]`,
    ]
    writeFileSync(join(folder, 'prometheus.yml'), config.join('\n'))
    const url = `127.0.0.1:${await freePort()}`
    const flags = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${url}`,
    ]
    const process = new Process(t, flags, {}, { command: toolPath('prometheus') as string })
    t.after(async () => {
      await process.kill()
      rmSync(folder, { recursive: true })
    })
    await process.says('Server is ready to receive web requests')
    return new Prometheus(`http://${url}`)
  }

  /** The values of an instant query, in no order. */
  async values(query: string): Promise<number[]> {
    const asked = await fetch(`${this.#url}/api/v1/query?query=${encodeURIComponent(query)}`)
    const answer = (await asked.json()) as Answer
    assert.equal(answer.status, 'success', `${query}: ${answer.error}`)
    return answer.data.result.map(({ value }) => Number(value[1]))
  }
}

interface Answer {
  readonly status: string
  readonly error?: string
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] }
}
