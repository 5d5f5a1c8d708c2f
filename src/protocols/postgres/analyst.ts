// What surfaces ask of a target without a session: its state, what statements would be, what its columns are and look like.

import type { MaskSet } from '../../core/decision.ts';
import { SallyportError } from '../../core/error.ts';
import type { ColumnPolicy, TargetAnalyst } from '../../core/ports.ts';
import type { Target } from '../../core/target.ts';
import type { Catalogue } from '../../sql/catalogue.ts';
import type { CatalogueLoader } from './catalogue-loader.ts';
import type { Planner } from './planner.ts';
import { treeOf } from './catalogue-tree.ts';
import { sampleRows, storedColumns } from './sampler.ts';
import { LiveObjects } from './session-objects.ts';
import type { UpstreamConnection } from './upstream.ts';

export interface AnalystDeps {
  readonly target: Target;
  readonly loader: Pick<CatalogueLoader, 'current' | 'refresh' | 'state'>;
  readonly planner: Planner;
  /** With `SAMPLE_SETTINGS`. */
  readonly connectToSample: (signal: AbortSignal) => Promise<UpstreamConnection>;
}

export function createAnalyst({ target, loader, planner, connectToSample }: AnalystDeps): TargetAnalyst {
  const looked = async (): Promise<Catalogue | null> => {
    if (loader.current() === null) await loader.refresh();
    return loader.current();
  };
  const ready = async (): Promise<Catalogue> => {
    const catalogue = await looked();
    if (catalogue === null) throw new SallyportError('SP_CATALOGUE_UNAVAILABLE', 'no catalogue was read yet');
    return catalogue;
  };
  const readerOf = (of: Planner): ReturnType<TargetAnalyst['under']> => ({
    async analyse(text: string, masks: MaskSet) {
      await looked();
      const { plan: planned } = of.plan(text, masks, new LiveObjects());
      return { facts: planned.facts, forward: planned.forward };
    },
    async protectedColumns() {
      await ready();
      return of.protection().columns;
    },
  });
  return {
    target: target.name,
    status() {
      const catalogue = loader.current();
      return {
        name: target.name,
        protocol: 'postgres',
        address: target.address,
        catalogue: loader.state,
        catalogueVersion: catalogue?.version ?? null,
        protectedColumns: catalogue === null ? 0 : planner.protection().columns.size,
      };
    },
    ...readerOf(planner),
    under: (policy: ColumnPolicy) => readerOf(planner.under(policy)),
    async relationsOf(subject: string) {
      return (await looked()) === null ? null : planner.relationsOf(subject);
    },
    async knowsColumn(qualified: string) {
      const parts = qualified.split('.');
      const column = parts.pop() ?? '';
      const name = parts.pop() ?? '';
      return (await looked())?.relation(parts.join('.'), name)?.byName.has(column) ?? false;
    },
    columns: async () => storedColumns(await ready()),
    tree: async () => treeOf(await ready()),
    sample: async (relation, columns, signal) => sampleRows(await ready(), relation, columns, connectToSample, signal),
  };
}
