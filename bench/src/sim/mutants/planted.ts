/**
 * Loaded before anything else (node --import): plants the bug that STRATALOG_MUTANT names into the sources as they are
 * loaded. Throws when a source that is to be changed is loaded and has moved on.
 */
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { MUTANTS } from './catalogue.ts'
import { applyEdit } from './mutant.ts'

const name = process.env['STRATALOG_MUTANT']
const mutant = MUTANTS.find((each) => each.name === name)
if (mutant === undefined) throw new Error(`no such mutant: ${name}`)

const BROKER = fileURLToPath(new URL('../../../../broker/src/', import.meta.url)).replaceAll('\\', '/')

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!url.startsWith('file:')) return loaded
    const path = fileURLToPath(url).replaceAll('\\', '/')
    const edits = mutant.edits.filter(({ file }) => path === BROKER + file)
    if (edits.length === 0) return loaded
    let source = String(loaded.source)
    for (const edit of edits) source = applyEdit(source, edit, mutant.name)
    return { ...loaded, source }
  },
})
