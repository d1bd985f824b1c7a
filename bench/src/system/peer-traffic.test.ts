import { deepEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { parsePeerTraffic } from './peer-traffic.ts'

const OUTPUT = [
  '0      0      127.0.0.1:9501 127.0.0.1:32824 cubic rto:204 bytes_sent:70 bytes_acked:70 segs_out:6 data_segs_out:3 data_segs_in:5',
  '0      0      127.0.0.1:32824 127.0.0.1:9501 cubic rto:204 bytes_sent:25 bytes_acked:26 segs_out:8 data_segs_out:5',
  // A client's connection, and a peer's that has sent nothing yet.
  '0      0      127.0.0.1:9401 127.0.0.1:40000 cubic rto:204 bytes_sent:999 data_segs_out:99',
  '0      0      [::ffff:127.0.0.1]:9502 [::ffff:127.0.0.1]:40001 cubic rto:204',
  '',
].join('\n')

test('adds up both ends of the connections between brokers and leaves others out', () => {
  deepEqual(parsePeerTraffic(OUTPUT, [9501, 9502]), { connectionCount: 2, dataSegments: 8, bytes: 95 })
})
