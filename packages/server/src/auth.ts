// Who may ask what. The one place between reading an envelope and looking at its kind where a request can be refused
// for want of a right. No key can be configured yet, so there is nothing to check a token against and the only guard
// is the open one; it must never look as if it checked.

export interface Credentials {
  /** From `head.auth`, or from `Authorization: Bearer`. */
  readonly token: string | undefined
}

export interface Denial {
  /** 401: no valid token. 403: a valid one without the right. */
  readonly status: 401 | 403
  readonly message: string
}

export interface Guard {
  /** May this request be decided? `kind` may be none of ours. */
  request(credentials: Credentials, kind: string, data: Readonly<Record<string, unknown>>): Denial | undefined
  /** May this worker connect? */
  connection(credentials: Credentials, group: string, pid: string): Denial | undefined
}

/** Lets everybody do everything. */
export const openGuard: Guard = {
  request: () => undefined,
  connection: () => undefined,
}

export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]
}
