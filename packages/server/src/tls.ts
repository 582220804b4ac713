// A certificate and its key, checked before they are served: what does not fit together is said in words, and never met by
// the first client.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Config } from './config/settings.ts'

/** Throws where the two cannot be used together. */
export function tlsOf(config: Config, cert: string, key: string): SecureContextOptions {
  if (!cert.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error('the first holds no certificate (-----BEGIN CERTIFICATE-----)')
  const options: SecureContextOptions = { cert, key, minVersion: `TLSv1.${MINOR[config['server.tls.min_version']]}` }
  createSecureContext(options)
  // That compares only keys of one algorithm: with another it is the handshakes that would fail.
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw new Error('the key is not the one that the certificate was made for')
  return options
}

const MINOR = { '1.2': 2, '1.3': 3 } as const
