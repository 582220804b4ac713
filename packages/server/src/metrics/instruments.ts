// The rows of the table as instruments of the metrics library.

import { type Aggregator, Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { METRICS, type MetricRow } from './table.ts'

export type Instruments = {
  readonly [K in keyof typeof METRICS]: {
    counter: Counter
    gauge: Gauge
    histogram: Histogram
  }[(typeof METRICS)[K]['type']]
}

export function instruments(registry: Registry): Instruments {
  const make = (row: MetricRow) => {
    const aggregator: Aggregator = row.of === 'store' ? 'max' : (row.aggregator ?? 'sum')
    const common = { name: row.name, help: row.help, labelNames: [...row.labels], registers: [registry], aggregator }
    switch (row.type) {
      case 'counter':
        return new Counter(common)
      case 'gauge':
        return new Gauge(common)
      case 'histogram':
        return new Histogram({ ...common, buckets: [...(row.buckets ?? [])] })
    }
  }
  return Object.fromEntries(Object.entries(METRICS).map(([name, row]) => [name, make(row)])) as unknown as Instruments
}
