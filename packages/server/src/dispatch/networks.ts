// Where pushed messages may not go unless it is said that they may: addresses of this machine, of private networks, and of
// services that trust whoever is near, such as a cloud's metadata. Anybody who may create a promise names a target, so
// without this a client could reach through the server to what only the server can see.
// N1. What counts is the address that the connection is made to, not the name: a name that resolves anew to a private address
// between a look and the connection is refused too.

import dns from 'node:dns'
import { BlockList, isIP } from 'node:net'

/** Not routed in public, or not to hosts of others. */
const PRIVATE: readonly string[] = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4'],
  ...['240.0.0.0/4', '::/128', '::1/128', '64:ff9b::/96', '64:ff9b:1::/48', '2001:db8::/32', '2002::/16', 'fc00::/7'],
  ...['fe80::/10', 'ff00::/8'],
]

/** `any` for all of them. */
export const ANY_NETWORK = 'any'

export interface Networks {
  /** Why this host of a URL may not be connected to, where that can be said without looking it up. */
  hostProblem(host: string): string | null
  /** Looks a name up and gives only addresses that may be connected to. */
  readonly lookup: typeof dns.lookup
}

/** `allowed`: private networks that may be reached, as in 10.0.0.0/8, or `any`. */
export function networksOf(allowed: readonly string[], resolve: typeof dns.lookup = dns.lookup): Networks {
  const blocked = blockListOf(PRIVATE)
  const open = blockListOf(allowed.filter((network) => network !== ANY_NETWORK))
  const isAny = allowed.includes(ANY_NETWORK)
  const mayReach = (address: string) => {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    return isAny || !blocked.check(address, family) || open.check(address, family)
  }
  const lookup = (host: string, options: dns.LookupOptions, done: LookupDone) =>
    resolve(host, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, '', 0)
      const reachable = addresses.filter(({ address }) => mayReach(address))
      const [first] = reachable
      if (!first) return done(refusal(host, addresses[0]?.address ?? 'nothing'), '', 0)
      return options.all ? done(null, reachable) : done(null, first.address, first.family)
    })
  return {
    hostProblem(host) {
      const bare = host.replace(/^\[|\]$/g, '')
      return isIP(bare) !== 0 && !mayReach(bare) ? refusal(bare, bare).message : null
    },
    lookup: lookup as typeof dns.lookup,
  }
}

type LookupDone = (error: NodeJS.ErrnoException | null, address: string | dns.LookupAddress[], family?: number) => void

function refusal(host: string, address: string): Error {
  const what = host === address ? host : `${host} is ${address}, which`
  return new Error(`${what} is in a private network; allow it with transports.http_push.private_networks`)
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const { address, prefix, family } = cidrOf(network) as Cidr
    list.addSubnet(address, prefix, family)
  }
  return list
}

interface Cidr {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** `10.0.0.0/8`, `fd00::/8`. Null: none. */
export function cidrOf(text: string): Cidr | null {
  const [, address = '', digits = ''] = /^([0-9a-fA-F:.]+)\/(\d{1,3})$/.exec(text) ?? []
  const version = isIP(address)
  const prefix = Number(digits)
  if (version === 0 || prefix > (version === 6 ? 128 : 32)) return null
  return { address, prefix, family: version === 6 ? 'ipv6' : 'ipv4' }
}
