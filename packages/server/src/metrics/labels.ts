// Labels must stay bounded whatever clients send: groups and workers past the first few hundred are added up under one name.

/** Groups, and workers, that have series of their own at most. */
export const GROUP_SERIES_MAX = 200
export const WORKER_SERIES_MAX = 500
export const OTHER = 'other'

/** The first `max` names stand for themselves, as long as the process lives; all others are one. */
export function firstLabels(max: number): (name: string) => string {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (known.size >= max) return OTHER
    known.add(name)
    return name
  }
}
