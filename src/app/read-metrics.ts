// Metrics that nobody counts: what they tell is read from a state when they are asked for.

import { Counter, Gauge, type Registry } from 'prom-client';

interface Named<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly Label[];
}

/** @param read sets every value there is; those of before are gone */
export function readGauge<Label extends string>(
  registry: Registry,
  named: Named<Label>,
  read: (gauge: Gauge<Label>) => void | Promise<void>,
): void {
  registry.registerMetric(
    new Gauge<Label>({
      ...named,
      labelNames: named.labelNames ?? [],
      registers: [],
      collect() {
        this.reset();
        return read(this);
      },
    }),
  );
}

/** @param read adds up every value there is, from zero. It must not fall while the process lives. */
export function readCounter<Label extends string>(registry: Registry, named: Named<Label>, read: (counter: Counter<Label>) => void): void {
  registry.registerMetric(
    new Counter<Label>({
      ...named,
      labelNames: named.labelNames ?? [],
      registers: [],
      collect() {
        this.reset();
        read(this);
      },
    }),
  );
}
