/** Addresses as they stand in settings. */

/** `HOST:PORT`, the host of an IPv6 address in square brackets. */
export const HOST_PORT_PATTERN: RegExp = /^(\[[0-9a-fA-F:.%a-z]+\]|[^\s:[\]]+):(\d{1,5})$/

/** Where something listens. */
export interface HostPort {
  /** Without brackets. */
  readonly host: string
  /** 0..65535. */
  readonly port: number
}

/** Reads an address that has been checked against {@link HOST_PORT_PATTERN}. */
export function parseHostPort(text: string): HostPort {
  const [, host = '', port = '0'] = HOST_PORT_PATTERN.exec(text) ?? []
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

/** Reads a checked list of addresses, separated by commas; none for an empty text. */
export function parseHostPorts(text: string): HostPort[] {
  return text === '' ? [] : text.split(',').map(parseHostPort)
}

/** Reads a checked list of `ID@HOST:PORT`. */
export function parseBrokerAddresses(text: string): Map<number, HostPort> {
  const pairs = text === '' ? [] : text.split(',').map((entry) => entry.split('@'))
  return new Map(pairs.map(([id = '', address = '']) => [Number(id), parseHostPort(address)]))
}
