/**
 * A reader of the output that has seen enough (`| head`) is no failure: the command ends quietly, at once unless something
 * has to be put in order first.
 */
let end: () => void = () => process.exit()

/** For the command's entry: from here on the end of the output is the end of the process. */
export function endWithOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    end()
  })
}

/** From here on the command ends by itself when told that its output is closed. @returns a function that undoes this. */
export function onOutputClosed(listener: () => void): () => void {
  const before = end
  end = listener
  return () => {
    end = before
  }
}
