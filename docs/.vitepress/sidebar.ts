// The pages of the site, in the order in which they are read. A test holds this list against the folder.

export interface Section {
  readonly text: string
  readonly items: readonly { readonly text: string; readonly link: string }[]
}

export const sidebar: readonly Section[] = [
  {
    text: 'Start',
    items: [
      { text: 'Getting started', link: '/start' },
      { text: 'Concepts', link: '/concepts' },
      { text: 'How it works', link: '/how-it-works' },
      { text: 'Questions (FAQ)', link: '/faq' },
      { text: 'Guarantees and limits', link: '/limits' },
      { text: 'Coming from elsewhere', link: '/coming-from' },
    ],
  },
  {
    text: 'Functions',
    items: [
      { text: 'Writing workflows', link: '/workflows' },
      { text: 'Testing', link: '/testing' },
      { text: 'Examples', link: '/examples' },
      { text: 'The SDK in depth', link: '/sdk-guide' },
      { text: 'Serverless functions', link: '/serverless' },
      { text: 'Workers in other languages', link: '/languages' },
    ],
  },
  {
    text: 'Operations',
    items: [
      { text: 'In production', link: '/production' },
      { text: 'Several processes', link: '/processes' },
      { text: 'Containers', link: '/containers' },
      { text: 'Kubernetes', link: '/kubernetes' },
      { text: 'PostgreSQL', link: '/postgres' },
      { text: 'Scaling', link: '/scaling' },
      { text: 'Security', link: '/security' },
      { text: 'Backup, retention, moving', link: '/backup' },
      { text: 'From another Resonate server', link: '/migrating' },
      { text: 'Traces', link: '/tracing' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
    ],
  },
  {
    text: 'Reference',
    items: [
      { text: 'Command line', link: '/cli' },
      { text: 'Configuration', link: '/configuration' },
      { text: 'Metrics', link: '/metrics' },
      { text: 'SDK', link: '/sdk' },
      { text: 'Protocol', link: '/protocol' },
      { text: 'Requests and records', link: '/requests' },
    ],
  },
]
