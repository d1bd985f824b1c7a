/** Waiting that ends early: AbortSignals as typed errors, and timers that a signal cuts short. */
import { StratalogError } from '@stratalog/proto'

/** The error for a signal that was aborted: its own reason if that is one of ours, otherwise CANCELLED. */
export function abortError(signal: AbortSignal): StratalogError {
  if (signal.reason instanceof StratalogError) return signal.reason
  return new StratalogError('CANCELLED', undefined, { cause: signal.reason })
}

/** Throws {@link abortError} when the signal is aborted already. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}

/** Calls `listener` once when the signal is or becomes aborted. Returns a function that stops listening. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    listener()
    return () => {}
  }
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}

/** The promise's outcome, or a rejection with {@link abortError} if the signal comes first. The work goes on. */
export function withAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const stop = onAbort(signal, () => reject(abortError(signal)))
    promise.then(
      (value) => {
        stop()
        resolve(value)
      },
      (error: unknown) => {
        stop()
        reject(error)
      },
    )
  })
}

/** Resolves after `ms`; rejects with {@link abortError} when the signal comes first. Holds the process open. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortError(signal))
      return
    }
    const timer = setTimeout(() => {
      stop()
      resolve()
    }, ms)
    const stop = onAbort(signal, () => {
      clearTimeout(timer)
      reject(signal === undefined ? new StratalogError('CANCELLED') : abortError(signal))
    })
  })
}
