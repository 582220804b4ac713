// The service, used over HTTP: a repeated request begins nothing twice.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serving } from '../example.ts'

test('the Express service takes an order, once, and tells how it stands', async (t) => {
  const url = await serving(t, 'express')
  const put = (amount: number) =>
    fetch(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ amount }),
    })
  assert.equal((await put(20)).status, 202)
  assert.equal((await put(30)).status, 202)
  const done = { receipt: 'charged 20', shipped: true }
  assert.deepEqual(await (await fetch(`${url}/result`)).json(), done)
  assert.deepEqual(await (await fetch(url)).json(), { state: 'done', ...done })
  assert.equal((await fetch(url.replace('/orders/1', '/orders/none'))).status, 404)
})
