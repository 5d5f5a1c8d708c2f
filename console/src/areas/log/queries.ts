import { keepPreviousData, useInfiniteQuery, useQueries, useQuery } from '@tanstack/react-query';
import type { Answer } from '../../api/client.ts';
import { call, HEADERS, send } from '../../api/client.ts';
import type { Head } from '../../verify/messages.ts';
import { checkHead, prove } from './log-client.ts';
import { matches, PAGE, scanBefore } from './pages.ts';

export type Entry = Answer<'GET /v1/audit/entries'>['entries'][number];

/** The last head that this page has checked: the next must grow out of it. */
let seen: Head | null = null;

export interface LogHead {
  /** Entries that are written; some may not be under a signed head yet. */
  readonly written: number;
  /** Null = nothing was signed yet. */
  readonly signed: { readonly head: Head; readonly checkpoint: string; readonly vkey: string } | null;
  /** Size of the first head that this page saw; everything since grew out of it. */
  readonly since: number | null;
}

let firstSeen: number | null = null;

export function useHead() {
  return useQuery({
    queryKey: ['log', 'head'],
    queryFn: async ({ signal }): Promise<LogHead> => {
      const { size, checkpoint } = await call('GET /v1/audit/checkpoint', { signal });
      if (checkpoint === null) return { written: size, signed: null, since: null };
      const vkey = await (await send('/log/log.vkey', { headers: HEADERS, signal })).text();
      const head = await checkHead({ checkpoint, vkey, before: seen });
      seen = head;
      firstSeen ??= head.size;
      return { written: Math.max(size, head.size), signed: { head, checkpoint, vkey }, since: firstSeen };
    },
    refetchInterval: 10_000,
  });
}

/** Where copies of the signed state are kept, and whether the gateway can write. */
export function useStatus() {
  return useQuery({
    queryKey: ['log', 'status'],
    queryFn: ({ signal }) => call('GET /v1/audit/status', { signal }),
    refetchInterval: 10_000,
  });
}

export type Anchor = Answer<'GET /v1/audit/status'>['anchors'][number];

/** Entries by index, for the pages that are looked at. What is written never changes: a whole page is read once. */
export function useEntries(pages: readonly number[], written: number): ReadonlyMap<number, Entry> {
  const read = useQueries({
    queries: pages.map((page) => {
      const isWhole = (page + 1) * PAGE <= written;
      return {
        // Not below `log`: an event of the log does not make a whole page stale.
        queryKey: ['log-entries', page, isWhole ? 'whole' : written],
        queryFn: ({ signal }: { signal: AbortSignal }) =>
          call('GET /v1/audit/entries', { query: { from: page * PAGE, limit: PAGE }, signal }),
        staleTime: Infinity,
        placeholderData: keepPreviousData,
      };
    }),
  });
  return new Map(read.flatMap(({ data }) => data?.entries.map((entry) => [entry.seq, entry] as const) ?? []));
}

/** Entries of a type, newest first, found by reading backwards. */
export function useFound(type: string, written: number | null) {
  return useInfiniteQuery({
    queryKey: ['log-found', type],
    enabled: type !== '' && written !== null,
    initialPageParam: written ?? 0,
    queryFn: async ({ pageParam: before, signal }) => {
      const { from, limit } = scanBefore(before);
      const { entries } = await call('GET /v1/audit/entries', { query: { from, limit }, signal });
      return { from, found: entries.filter((entry) => matches(entry.type, type)).toReversed() };
    },
    getNextPageParam: ({ from }) => (from > 0 ? from : undefined),
    staleTime: Infinity,
  });
}

export function useProof(index: number, signed: LogHead['signed']) {
  return useQuery({
    queryKey: ['log-proof', index],
    enabled: signed !== null && index < signed.head.size,
    queryFn: () => {
      if (signed === null) throw new Error('nothing was signed yet');
      return prove({ index, checkpoint: signed.checkpoint, vkey: signed.vkey });
    },
    staleTime: Infinity,
    retry: false,
  });
}
