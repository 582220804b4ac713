// The version of this package, as it is told to servers.

/** The version of this package. */
export const VERSION = '0.1.0'
