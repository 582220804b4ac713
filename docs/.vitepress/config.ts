// How the pages of docs/ become a site: VitePress, its default look, search without a service. What a page says is in the
// page; this file must never hold text of its own.

import { posix } from 'node:path'
import { defineConfig } from 'vitepress'
import { sidebar } from './sidebar.ts'

export default defineConfig({
  title: 'Resonate',
  description: 'Durable functions that survive crashes, and groups of workers that scale by starting more of them.',
  cleanUrls: true,
  // A page may say where a server on the reader's own machine answers.
  ignoreDeadLinks: 'localhostLinks',
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: '/icon.svg' }]],
  themeConfig: {
    nav: sidebar.map(({ text, items }) => ({
      text,
      link: items[0]?.link ?? '/',
      activeMatch: `^(${items.map(({ link }) => link).join('|')})$`,
    })),
    sidebar: sidebar.map(({ text, items }) => ({ text, items: [...items] })),
    search: {
      provider: 'local',
      // The reference of the SDK is half of all sections. Who knows a name finds it; who asks a question is led to a page first.
      options: {
        miniSearch: {
          searchOptions: { boostDocument: (id: string) => (id.startsWith('/sdk#') || id === '/sdk' ? 0.3 : 1) },
        },
      },
    },
    outline: [2, 3],
    notFound: { quote: 'No page has this address.' },
  },
  markdown: {
    // Pages are read in the repository too, and link to files outside of this folder, which the site does not have.
    config(md) {
      md.core.ruler.push('outside', ({ tokens, env }) => {
        for (const { children } of tokens) {
          let isOutside = false
          for (const token of children ?? []) {
            const href = token.type === 'link_open' ? token.attrGet('href') : null
            if (href !== null) isOutside = posix.join(posix.dirname(env.relativePath), href).startsWith('..')
            if (!isOutside || !token.type.startsWith('link_')) continue
            token.tag = 'span'
            if (href !== null) token.attrs = [['title', `in the repository: ${href.replaceAll('../', '')}`]]
            token.type = token.type === 'link_open' ? 'outside_open' : 'outside_close'
          }
        }
      })
    },
  },
})
