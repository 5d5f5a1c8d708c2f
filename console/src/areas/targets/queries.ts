import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import type { Answer } from '../../api/client.ts';
import { call } from '../../api/client.ts';

export type Target = Answer<'GET /v1/targets'>['targets'][number];
export type TargetDetail = Answer<'GET /v1/targets/{name}'>;
export type ColumnPage = Answer<'GET /v1/targets/{name}/columns'>;
export type TargetColumn = ColumnPage['columns'][number];
export type Checked = Answer<'POST /v1/policy/check'>;

/** As it stands in the address bar; empty = does not count. */
export interface ColumnFilter {
  readonly search: string;
  readonly schema: string;
  readonly protected: string;
  readonly role: string;
}

/** As many as the API gives at once. */
const pageSize = 500;
/** Reachability and use have no event of their own. */
const refreshMs = 15_000;

export function useTargets() {
  return useQuery({
    queryKey: ['targets', 'list'],
    queryFn: async ({ signal }) => (await call('GET /v1/targets', { signal })).targets,
    refetchInterval: refreshMs,
  });
}

export function useTarget(name: string) {
  return useQuery({
    queryKey: ['targets', 'one', name],
    queryFn: ({ signal }) => call('GET /v1/targets/{name}', { path: { name }, signal }),
    refetchInterval: refreshMs,
  });
}

export function useColumns(name: string, filter: ColumnFilter) {
  return useInfiniteQuery({
    queryKey: ['targets', 'columns', name, filter],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      call('GET /v1/targets/{name}/columns', {
        path: { name },
        query: {
          search: filter.search,
          schema: filter.schema,
          role: filter.role,
          ...(filter.protected === 'true' ? { protected: filter.protected } : {}),
          ...(pageParam === undefined ? {} : { after: pageParam }),
          limit: pageSize,
        },
        signal,
      }),
    getNextPageParam: ({ next }) => next ?? undefined,
    placeholderData: keepPreviousData,
  });
}

export function useRoles(isWanted: boolean) {
  return useQuery({
    queryKey: ['policy', 'matrix'],
    queryFn: ({ signal }) => call('GET /v1/policy/matrix', { signal }),
    enabled: isWanted,
    select: ({ roles }) => roles.map(({ role }) => role),
  });
}

/** By the names of columns; no value is read. */
export function useProposals() {
  return useQuery({
    queryKey: ['targets', 'proposals'],
    queryFn: ({ signal }) => call('POST /v1/policy/check', { body: { proposals: 'by-name' }, signal }),
    staleTime: 60_000,
  });
}

/** Reads rows, which is recorded: only ever because somebody pressed a button. */
export const useSampling = () => useMutation({ mutationFn: () => call('POST /v1/policy/check', { body: { proposals: 'by-sample' } }) });
