// What is below a URL. One rule for who may be sent messages and for what they are shown: an address that slipped past
// either would carry a secret, or a request, to a stranger.

/**
 * The same scheme, host and port, and a path that is that of `base` or below it. Compared parsed, as they will be asked for:
 * neither dots in the path nor a user name before the host lead elsewhere, and `https://a.com` does not stand for
 * `https://a.com.evil`.
 */
export function isAtOrBelow(url: URL, base: URL): boolean {
  if (url.protocol !== base.protocol || url.host !== base.host) return false
  const folder = base.pathname.endsWith('/') ? base.pathname : `${base.pathname}/`
  return url.pathname === base.pathname || url.pathname.startsWith(folder)
}
