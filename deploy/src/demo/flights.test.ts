import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partitionForKey } from '@stratalog/proto'
import { FLIGHT_COUNT, missingFlights, readFlights } from './flights.ts'

test('the dataset is there and every flight has a key', async () => {
  const flights = await readFlights()
  assert.equal(flights.length, FLIGHT_COUNT)
  assert.ok(flights.every(({ key, value }) => /^[A-Z0-9]{3}$/.test(key) && JSON.parse(value).origin === key))
})

test('a load that was cut short goes on where each partition ended', async () => {
  const flights = (await readFlights()).slice(0, 500)
  const counts = [0, 0, 0]
  for (const { key } of flights.slice(0, 200)) counts[partitionForKey(Buffer.from(key), 3)]! += 1
  assert.deepEqual(missingFlights(flights, counts), flights.slice(200))
  assert.deepEqual(missingFlights(flights, [0, 0, 0]), flights)
  assert.deepEqual(missingFlights(flights, [500, 500, 500]), [])
})
