import { Badge } from '../../ui/badge.tsx';
import type { TargetDetail } from './queries.ts';

const CATALOGUE = {
  ready: ['ready', 'allow'],
  loading: ['catalogue is being read', 'hold'],
  unavailable: ['catalogue unavailable: every statement is refused', 'deny'],
} as const;

/** Down says more than what is known of its catalogue. */
export function Health({ catalogue, reachable }: Pick<TargetDetail, 'catalogue' | 'reachable'>) {
  if (reachable?.state === 'down') return <Badge tone="deny">not reachable</Badge>;
  const [words, tone] = CATALOGUE[catalogue];
  return <Badge tone={tone}>{words}</Badge>;
}
