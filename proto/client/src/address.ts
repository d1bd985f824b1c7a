/**
 * Addresses of brokers, as users write them and as the cluster names them.
 *
 * Invariant: `host` is never bracketed; `port` is 1..65535.
 */
import { StratalogError, type stratalog } from '@stratalog/proto'

/** Port of a broker when an address names none. */
export const DEFAULT_PORT = 9400

/** Where one broker is reached. */
export interface BrokerAddress {
  /** `null` for a bootstrap address, whose broker is not known yet. */
  readonly brokerId: number | null
  /** Name or IP address; IPv6 without brackets. */
  readonly host: string
  /** 1..65535. */
  readonly port: number
}

/** `host:port`, IPv6 in brackets: the name of an address in messages and maps, and a gRPC target. */
export function formatAddress(address: BrokerAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** Parses `host`, `host:port`, `[ipv6]` or `[ipv6]:port`. Errors: INVALID_CONFIG naming the option. */
export function parseAddress(text: string, option: string): BrokerAddress {
  const match = /^(?:\[(?<ipv6>[0-9a-fA-F:.%a-z]+)\]|(?<name>[^\s:[\]/]+))(?::(?<port>\d{1,5}))?$/.exec(text.trim())
  const host = match?.groups?.ipv6 ?? match?.groups?.name
  const port = match?.groups?.port === undefined ? DEFAULT_PORT : Number(match.groups.port)
  if (host === undefined || port < 1 || port > 65_535) {
    throw new StratalogError('INVALID_CONFIG', `${option}: "${text}" is not HOST:PORT`, {
      hint: 'Write each address as HOST:PORT with a port of 1..65535, such as 127.0.0.1:9400 or [::1]:9400.',
    })
  }
  return { brokerId: null, host, port }
}

/** Parses a list of addresses, given as an array or separated by commas. Errors: INVALID_CONFIG, also when empty. */
export function parseAddresses(list: string | readonly string[], option: string): readonly BrokerAddress[] {
  const texts = (typeof list === 'string' ? list.split(',') : list).map((text) => text.trim()).filter(Boolean)
  if (texts.length === 0) throw new StratalogError('INVALID_CONFIG', `${option}: no address given`)
  return texts.map((text) => parseAddress(text, option))
}

/** The address in a message of the API, or `null` when it names none. */
export function fromEndpoint(
  endpoint: stratalog.v1.BrokerEndpoint.$Properties | null | undefined,
): BrokerAddress | null {
  if (!endpoint?.host || !endpoint.port) return null
  return { brokerId: endpoint.brokerId ?? 0, host: endpoint.host, port: endpoint.port }
}
