/**
 * The demo's records: 20,000 flights of the US Bureau of Transportation Statistics, as the vega-datasets package ships them.
 */
import { readFile } from 'node:fs/promises'
import { invariant, partitionForKey } from '@stratalog/proto'

/** A flight as a record: the origin's airport code is the key, the flight as JSON the value. */
export interface FlightRecord {
  readonly key: string
  readonly value: string
}

/** How many there are. */
export const FLIGHT_COUNT = 20_000

/** Reads them, in the order of their departure. */
export async function readFlights(): Promise<FlightRecord[]> {
  const file = new URL('../data/flights-20k.json', import.meta.resolve('vega-datasets'))
  const flights = JSON.parse(await readFile(file, 'utf8')) as readonly { readonly origin: string }[]
  invariant(flights.length === FLIGHT_COUNT, 'the dataset holds 20,000 flights')
  return flights.map((flight) => ({ key: flight.origin, value: JSON.stringify(flight) }))
}

/**
 * The flights that a load which was cut short did not get to: each partition holds the first of its flights, in order.
 *
 * @param counts records in each partition of the topic.
 */
export function missingFlights(flights: readonly FlightRecord[], counts: readonly number[]): FlightRecord[] {
  const left = [...counts]
  return flights.filter(({ key }) => {
    const partition = partitionForKey(Buffer.from(key), left.length)
    const present = (left[partition] ?? 0) > 0
    if (present) left[partition] = (left[partition] ?? 0) - 1
    return !present
  })
}
