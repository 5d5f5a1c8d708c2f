import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { Answer } from '../../api/client.ts';
import { call } from '../../api/client.ts';

export type Overview = Answer<'GET /v1/overview'>;
export type Point = Overview['points'][number];

const minute = 60_000;
/** Steps of the plots; the gateway rounds to what it has. */
const buckets = 96;

export function useOverview(hours: number) {
  return useQuery({
    queryKey: ['overview', hours],
    queryFn: ({ signal }) =>
      call('GET /v1/overview', { query: { since: new Date(Date.now() - hours * 60 * minute).toISOString(), buckets }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: minute,
  });
}
