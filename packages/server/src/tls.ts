// A certificate and its key, checked before they are served: what does not fit together is said in words, and never met by
// the first client.

import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Config } from './config.ts'

/** Throws where the two cannot be used together. */
export function tlsOf(config: Config, cert: string, key: string): SecureContextOptions {
  if (!cert.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error('the first holds no certificate (-----BEGIN CERTIFICATE-----)')
  const options: SecureContextOptions = { cert, key, minVersion: `TLSv1.${MINOR[config['server.tls.min_version']]}` }
  createSecureContext(options)
  return options
}

const MINOR = { '1.2': 2, '1.3': 3 } as const
