/** The records of a group run: lines of real logs, or, without a folder of them, the demo's flights; over and over. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readFlights } from 'stratalog'

/** Reads the values, in order. @param folder of `.log` files; null = the flights. Errors: there is none in it. */
export async function realValues(folder: string | null): Promise<readonly Buffer[]> {
  if (folder === null) return (await readFlights()).map(({ value }) => Buffer.from(value))
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort()
  const values: Buffer[] = []
  for (const name of names) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n')
    for (const line of lines) if (line !== '') values.push(Buffer.from(line))
  }
  if (values.length === 0) throw new Error(`no line in a .log file of ${folder}`)
  return values
}
