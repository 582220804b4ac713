// The web form, used as a browser would use it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serving } from '../example.ts'

test('a refund waits for a person, whose answer decides', async (t) => {
  const url = await serving(t, 'human-in-the-loop')
  const post = async (path: string, form: Record<string, string>) =>
    (await fetch(url + path, { method: 'POST', body: new URLSearchParams(form) })).text()
  assert.match(await (await fetch(url)).text(), /Ask for a refund/)
  assert.match(await post('/refunds/first', { amount: '20' }), /Refund first waits for you/)
  assert.match(await post('/refunds/first/answer', { answer: 'yes' }), /20 € are on their way/)
  await post('/refunds/second', { amount: '2000' })
  assert.match(await post('/refunds/second/answer', { answer: 'no' }), /refused/)
  assert.equal((await fetch(`${url}/refunds/unknown`)).status, 404)
})
