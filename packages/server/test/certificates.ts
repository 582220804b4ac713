// Certificates for tests, made the way that docs/security.md tells people to make them.

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Why tests with certificates cannot run here. False: they can. */
export const withoutOpenssl: string | false = hasOpenssl() ? false : 'needs the openssl command'

export interface Certificate {
  /** Paths. */
  readonly cert: string
  readonly key: string
  /** Of who signed it: what clients must believe. */
  readonly ca: string
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** A certificate for localhost, signed by an authority of its own; files in `folder` begin with `name`. */
export function makeCertificate(folder: string, name: string): Certificate {
  const path = (suffix: string) => join(folder, `${name}-${suffix}`)
  const [ca, caKey, cert, key, request, names] = ['ca.pem', 'ca.key', 'cert.pem', 'cert.key', 'cert.csr', 'names'].map(
    path,
  ) as [string, string, string, string, string, string]
  writeFileSync(names, 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  openssl('req', '-x509', ...CURVE, '-keyout', caKey, '-out', ca, '-days', '2', '-subj', `/CN=${name} authority`)
  openssl('req', ...CURVE, '-keyout', key, '-out', request, '-subj', `/CN=${name}`)
  openssl('x509', '-req', '-in', request, '-CA', ca, '-CAkey', caKey, '-days', '2', '-extfile', names, '-out', cert)
  return { cert, key, ca }
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}

function hasOpenssl(): boolean {
  try {
    openssl('version')
    return true
  } catch {
    return false
  }
}
