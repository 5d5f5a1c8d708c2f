import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import type { Answer } from '../../api/client.ts';
import { call } from '../../api/client.ts';

export type Session = Answer<'GET /v1/sessions'>['sessions'][number];
export type Entry = Answer<'GET /v1/sessions/{id}'>['entries'][number];

/** As text, the way they stand in the address bar; empty = does not count. */
export interface SessionFilter {
  readonly principal: string;
  readonly target: string;
  readonly class: string;
  readonly decision: string;
  readonly live: string;
  readonly since: string;
}

/** The first page comes at once; those who scroll on want more. */
const pageSize = { first: 100, next: 500 } as const;

export function useSessions(filter: SessionFilter) {
  return useInfiniteQuery({
    queryKey: ['sessions', 'list', filter],
    initialPageParam: undefined as number | undefined,
    queryFn: ({ pageParam, signal }) => {
      const { decision, live, since, ...text } = filter;
      return call('GET /v1/sessions', {
        query: {
          ...text,
          ...(decision === 'allowed' || decision === 'held' || decision === 'denied' ? { decision } : {}),
          ...(live === 'true' || live === 'false' ? { live } : {}),
          ...(since === '' ? {} : { since: new Date(Date.now() - Number(since) * 3_600_000).toISOString() }),
          ...(pageParam === undefined ? {} : { before: pageParam }),
          limit: pageParam === undefined ? pageSize.first : pageSize.next,
        },
        signal,
      });
    },
    getNextPageParam: ({ next }) => next ?? undefined,
    // Far more than anybody scrolls; a list of more than a few pages is not read again by itself (api/live.ts).
    maxPages: 500,
  });
}

/** A session with its entries, page by page. */
export function useSession(id: string) {
  return useInfiniteQuery({
    queryKey: ['sessions', id],
    initialPageParam: -1,
    queryFn: ({ pageParam, signal }) => call('GET /v1/sessions/{id}', { path: { id }, query: { after: pageParam, limit: 1000 }, signal }),
    getNextPageParam: ({ next }) => next ?? undefined,
  });
}

export function useEndSession(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (reason: string) =>
      call('POST /v1/sessions/{id}/end', { path: { id }, body: reason.trim() === '' ? {} : { reason: reason.trim() } }),
    onSettled: () => client.invalidateQueries({ queryKey: ['sessions'] }),
  });
}
