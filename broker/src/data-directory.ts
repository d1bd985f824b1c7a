/**
 * The broker's data folder: is it ours, is it usable, and does nobody else use it.
 *
 * Invariant: a folder that is refused has not been touched. Invariant: at most one broker has a folder open; LevelDB's
 * own lock decides (it dies with its process), `broker.pid` only tells the loser whom to look for.
 * Owner: broker.ts, from start to stop.
 */
import { constants } from 'node:fs'
import { access, link, mkdir, open, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from './log/log-errors.ts'
import {
  DATA_FORMAT_VERSION,
  META_PROPERTIES_FILE,
  type MetaProperties,
  newMetaProperties,
  parseMetaProperties,
  renderMetaProperties,
} from './meta-properties.ts'
import { StartupError } from './startup-error.ts'
import { type KeyValueStore, StoreError } from './storage/key-value-store.ts'
import { LevelStore } from './storage/level-store.ts'

const PID_FILE = 'broker.pid'
/** What file systems and people put into a fresh folder: none of it makes a folder foreign. */
const IGNORED_ENTRIES: ReadonlySet<string> = new Set(['lost+found', '.DS_Store', '.gitkeep', '.gitignore'])

/** Who opens the folder. */
export interface DataDirectoryOptions {
  readonly path: string
  readonly brokerId: number
  /** The cluster that the folder must belong to, and that a new one is written for; `null` takes whichever it is. */
  readonly clusterId?: string | null
}

/** An open data folder. */
export class DataDirectory {
  readonly path: string
  #properties: MetaProperties
  /** The metadata store, whose lock is the folder's lock. */
  readonly store: KeyValueStore

  private constructor(path: string, properties: MetaProperties, store: KeyValueStore) {
    this.path = path
    this.#properties = properties
    this.store = store
  }

  get properties(): MetaProperties {
    return this.#properties
  }

  /** Folder of this broker's copy of the metadata log. */
  get metadataPath(): string {
    return join(this.path, 'metadata')
  }

  /** Folder of the partitions. */
  get topicsPath(): string {
    return join(this.path, 'topics')
  }

  /**
   * Checks the folder, founds it when it is empty or missing, and locks it.
   *
   * Errors: StartupError `DATA_DIRECTORY_FOREIGN`, `_MISMATCH`, `_UNUSABLE`, `_IN_USE`.
   */
  static async open(options: DataDirectoryOptions): Promise<DataDirectory> {
    const { path } = options
    try {
      await mkdir(path, { recursive: true })
      await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
      const properties = checkIdentity(options, (await readProperties(path)) ?? (await found(options)))
      const store = await openStore(path)
      await writeFile(join(path, PID_FILE), `${process.pid}\n`)
      return new DataDirectory(path, properties, store)
    } catch (error) {
      if (error instanceof StartupError) throw error
      throw new StartupError('DATA_DIRECTORY_UNUSABLE', `data folder ${path} cannot be used: ${messageOf(error)}`, {
        details: { path },
        cause: error,
      })
    }
  }

  /**
   * Notes the cluster that the broker has founded or joined; nothing is written when that is known.
   *
   * Durability: synced when it resolves. Errors: StartupError `DATA_DIRECTORY_MISMATCH` when it belongs to another one.
   */
  async belongTo(clusterId: string): Promise<void> {
    const { path } = this
    const known = this.#properties.clusterId
    if (known === clusterId) return
    if (known !== null) throw mismatch(path, `belongs to cluster ${known}, not to cluster ${clusterId}`)
    this.#properties = { ...this.#properties, clusterId }
    const temporary = join(path, `${META_PROPERTIES_FILE}.${process.pid}.tmp`)
    await writeSynced(temporary, renderMetaProperties(this.#properties))
    await rename(temporary, join(path, META_PROPERTIES_FILE))
    await syncFolder(path)
  }

  /** Closes the store, which frees the folder for another process. */
  async close(): Promise<void> {
    await rm(join(this.path, PID_FILE), { force: true })
    await this.store.close()
  }
}

async function readProperties(path: string): Promise<MetaProperties | null> {
  const entries = (await readdir(path)).filter((name) => !IGNORED_ENTRIES.has(name))
  if (!entries.includes(META_PROPERTIES_FILE)) {
    const strangers = entries.filter((name) => !name.startsWith(`${META_PROPERTIES_FILE}.`))
    if (strangers.length === 0) return null
    throw foreign(path, `it has no ${META_PROPERTIES_FILE} but holds ${strangers.slice(0, 3).join(', ')}`)
  }
  const properties = parseMetaProperties(await readFile(join(path, META_PROPERTIES_FILE), 'utf8'))
  if (properties === null) throw foreign(path, `its ${META_PROPERTIES_FILE} is not one of Stratalog's`)
  return properties
}

/** Writes the properties of a new folder; of two processes that try at once, the first one's stay. */
async function found(options: DataDirectoryOptions): Promise<MetaProperties> {
  const { path } = options
  const properties = newMetaProperties(options.brokerId, options.clusterId ?? null)
  const temporary = join(path, `${META_PROPERTIES_FILE}.${process.pid}.tmp`)
  await writeSynced(temporary, renderMetaProperties(properties))
  try {
    await link(temporary, join(path, META_PROPERTIES_FILE))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(temporary)
  }
  await syncFolder(path)
  return (await readProperties(path)) ?? properties
}

function checkIdentity(options: DataDirectoryOptions, properties: MetaProperties): MetaProperties {
  const { path, brokerId, clusterId } = options
  const { version } = properties
  if (version > DATA_FORMAT_VERSION) {
    throw mismatch(path, `has format version ${version}; this release reads up to ${DATA_FORMAT_VERSION}`)
  }
  if (properties.brokerId !== brokerId) {
    throw mismatch(path, `belongs to broker ${properties.brokerId}, not to broker ${brokerId}`)
  }
  if (clusterId && properties.clusterId !== null && properties.clusterId !== clusterId) {
    throw mismatch(path, `belongs to cluster ${properties.clusterId}, not to cluster ${clusterId}`)
  }
  return properties
}

async function openStore(path: string): Promise<KeyValueStore> {
  try {
    return await LevelStore.open(join(path, 'level'))
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'STORE_LOCKED') throw error
    const pid = (await readFile(join(path, PID_FILE), 'utf8').catch(() => '')).trim()
    const holder = pid === '' ? 'another process' : `process ${pid}`
    throw new StartupError('DATA_DIRECTORY_IN_USE', `data folder ${path} is in use by ${holder}`, {
      details: { path, ...(pid === '' ? {} : { pid }) },
      cause: error,
    })
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  await using file = await open(path, 'w')
  await file.writeFile(text)
  await file.sync()
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync()
}

function foreign(path: string, what: string): StartupError {
  return new StartupError('DATA_DIRECTORY_FOREIGN', `folder ${path} is not a Stratalog data folder: ${what}`, {
    details: { path },
  })
}

function mismatch(path: string, what: string): StartupError {
  return new StartupError('DATA_DIRECTORY_MISMATCH', `data folder ${path} ${what}`, { details: { path } })
}
