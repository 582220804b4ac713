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
      { text: 'Coming from elsewhere', link: '/coming-from' },
      { text: 'Workers in other languages', link: '/languages' },
    ],
  },
  {
    text: 'Operations',
    items: [
      { text: 'In production', link: '/production' },
      { text: 'Several processes', link: '/processes' },
      { text: 'PostgreSQL', link: '/postgres' },
      { text: 'Scaling', link: '/scaling' },
      { text: 'Containers', link: '/containers' },
      { text: 'Kubernetes', link: '/kubernetes' },
      { text: 'Serverless functions', link: '/serverless' },
      { text: 'Security', link: '/security' },
      { text: 'Backup, retention, moving', link: '/backup' },
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
    ],
  },
]
