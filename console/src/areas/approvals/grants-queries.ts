import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Answer } from '../../api/client.ts';
import { call } from '../../api/client.ts';
import type { Api } from '../../api/types.ts';

export type Grant = Answer<'GET /v1/grants'>['grants'][number];
export type Offer = Answer<'GET /v1/grants/offers'>['offers'][number];
export type GrantAction =
  | { readonly kind: 'approve' | 'deny'; readonly text: string }
  | { readonly kind: 'revoke'; readonly text: string }
  | { readonly kind: 'review'; readonly text: string };

export function useGrants() {
  return useQuery({
    queryKey: ['grants', 'list'],
    queryFn: async ({ signal }) => (await call('GET /v1/grants', { query: { limit: 200 }, signal })).grants,
    refetchInterval: 30_000,
  });
}

export function useOffers() {
  return useQuery({
    queryKey: ['grants', 'offers'],
    queryFn: async ({ signal }) => (await call('GET /v1/grants/offers', { signal })).offers,
  });
}

export function useGrantAction(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ kind, text }: GrantAction): Promise<unknown> => {
      const path = { id };
      const given = text.trim();
      if (kind === 'review') return call('POST /v1/grants/{id}/review', { path, body: { finding: given } });
      if (kind === 'revoke') return call('POST /v1/grants/{id}/revoke', { path, body: given === '' ? {} : { reason: given } });
      return call('POST /v1/grants/{id}/answer', { path, body: { verdict: kind, ...(given === '' ? {} : { justification: given }) } });
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['grants'] }),
  });
}

export function useRequestGrant() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Api['POST /v1/grants']['body']) => call('POST /v1/grants', { body }),
    onSettled: () => client.invalidateQueries({ queryKey: ['grants'] }),
  });
}
