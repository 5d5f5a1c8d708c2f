// What else waits for people besides grants: sealed records to open, and roles that are lent.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Answer } from '../../api/client.ts';
import { call } from '../../api/client.ts';
import type { Api } from '../../api/types.ts';
import type { Viewer } from '../../session.tsx';

export type Unseal = Answer<'GET /v1/unseals'>['unseals'][number];
export type Delegation = Answer<'GET /v1/delegations'>['delegations'][number];

/** No event says that these changed. */
const refreshMs = 15_000;

export function useUnseals() {
  return useQuery({
    queryKey: ['unseals', 'list'],
    queryFn: async ({ signal }) => (await call('GET /v1/unseals', { signal })).unseals,
    refetchInterval: refreshMs,
  });
}

export function useUnsealAnswer(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Api['POST /v1/unseals/{id}/answer']['body']) => call('POST /v1/unseals/{id}/answer', { path: { id }, body }),
    onSettled: () => client.invalidateQueries({ queryKey: ['unseals'] }),
  });
}

export function useDelegations() {
  return useQuery({
    queryKey: ['grants', 'delegations'],
    queryFn: async ({ signal }) => (await call('GET /v1/delegations', { signal })).delegations,
    refetchInterval: refreshMs,
  });
}

export function useDelegate() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Api['POST /v1/delegations']['body']) => call('POST /v1/delegations', { body }),
    onSettled: () => client.invalidateQueries({ queryKey: ['grants', 'delegations'] }),
  });
}

export function useEndDelegation() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => call('POST /v1/delegations/{id}/end', { path: { id } }),
    onSettled: () => client.invalidateQueries({ queryKey: ['grants', 'delegations'] }),
  });
}

type Person = Pick<Viewer, 'issuer' | 'subject' | 'kind'>;

const isSame = (one: Person, other: Person): boolean =>
  one.issuer === other.issuer && one.subject === other.subject && one.kind === other.kind;

/** Whether to offer an answer: the role, not one's own request, and once. The API decides. */
export function mayAnswer(viewer: Person & Pick<Viewer, 'roles'>, { state, requester, approvers, answers }: Unseal): boolean {
  return (
    state === 'pending' &&
    viewer.roles.includes(approvers.role) &&
    !isSame(viewer, requester) &&
    !answers.some(({ by }) => isSame(viewer, by))
  );
}

/** Whether to offer to take it back: the one who lent it, and operators. The API decides. */
export const mayEnd = (viewer: Person & Pick<Viewer, 'rights'>, { from }: Delegation): boolean =>
  isSame(viewer, from) || viewer.rights.includes('operate');
