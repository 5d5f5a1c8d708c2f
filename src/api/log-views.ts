// Shapes of what is told about the log.

import { z } from 'zod';
import type { GatewaySurface } from './ports.ts';

export const anchorSchema = z.object({
  name: z.string(),
  kind: z.enum(['file', 'https', 'witness', 'tsa']),
  size: z.int().describe('Entries under the newest checkpoint that it has; 0 = none since the start'),
  lagMs: z.int().describe('For how long there has been a checkpoint that it does not have'),
  keptAt: z.iso.datetime().nullable().describe('When it took a checkpoint last; null = not since the start'),
  alarms: z.array(z.string()).describe('That stand: `anchor-behind`, `anchor-rollback`, `anchor-fork`'),
});

export function anchorView({
  keptAtMs,
  lagMs,
  alarms,
  ...rest
}: ReturnType<GatewaySurface['anchors']>[number]): z.infer<typeof anchorSchema> {
  return {
    ...rest,
    lagMs: Math.round(lagMs),
    keptAt: keptAtMs === null ? null : new Date(keptAtMs).toISOString(),
    alarms: [...alarms],
  };
}

export const logStatusSchema = z.object({
  replica: z.string(),
  size: z.int().describe('Durable entries'),
  isWritable: z.boolean(),
  checkpoint: z
    .object({
      origin: z.string(),
      size: z.int().describe('Entries under it'),
      root: z.string().describe('Base64'),
      note: z.string().describe('The signed note'),
    })
    .nullable()
    .describe('The newest signed one'),
  heartbeat: z.object({ seq: z.int(), at: z.string() }).nullable().describe('The newest; one is written every 60 seconds'),
  anchors: z.array(anchorSchema).describe('Witnesses are among them, by their kind'),
});

/** The first three lines of a signed note. */
export function checkpointView(note: string): NonNullable<z.infer<typeof logStatusSchema>['checkpoint']> {
  const [origin = '', size = '0', root = ''] = note.split('\n');
  return { origin, size: Number(size), root, note };
}
