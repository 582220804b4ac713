// An agent: a model chooses tools until it has an answer. Each call of the model and of a tool is a recorded step, so a crash
// pays for no call twice and the conversation goes on where it was. The model is a stub; put a real one into `think`.

import { type Context, type Info, Resonate } from '@resonatehq/sdk'

const TURNS_MAX = 10

interface Message {
  readonly role: 'user' | 'assistant' | 'tool'
  readonly text: string
}

type Thought = { readonly tool: string; readonly input: string } | { readonly answer: string }

const resonate = new Resonate()

async function think(_: Info, messages: readonly Message[]): Promise<Thought> {
  const seen = messages.filter(({ role }) => role === 'tool').map(({ text }) => text)
  if (seen.length === 0) return { tool: 'search', input: 'height of the Eiffel Tower' }
  if (seen.length === 1) return { tool: 'calculate', input: '330 * 2' }
  return { answer: `Two Eiffel Towers are ${seen.at(-1)} metres high.` }
}

const tools: Record<string, (input: string) => Promise<string>> = {
  search: async () => 'The Eiffel Tower is 330 metres high.',
  calculate: async (input) => {
    const [a = 0, b = 0] = input.split(' * ').map(Number)
    return `${a * b}`
  },
}

async function use(_: Info, tool: string, input: string): Promise<string> {
  console.log(`${tool}: ${input}`)
  return tools[tool]?.(input) ?? `There is no tool named ${tool}.`
}

const agent = resonate.register('agent', async (ctx: Context, question: string) => {
  const messages: Message[] = [{ role: 'user', text: question }]
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const thought = await ctx.run(think, messages)
    if ('answer' in thought) return thought.answer
    const result = await ctx.run(use, thought.tool, thought.input)
    messages.push({ role: 'assistant', text: `${thought.tool}(${thought.input})` }, { role: 'tool', text: result })
  }
  throw new Error(`no answer after ${TURNS_MAX} turns`)
})

console.log(await agent.run('question-1', 'How high are two Eiffel Towers?'))
await resonate.stop()
