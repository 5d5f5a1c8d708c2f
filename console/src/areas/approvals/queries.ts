import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Answer } from '../../api/client.ts';
import { call } from '../../api/client.ts';

export type Approval = Answer<'GET /v1/approvals'>['approvals'][number];
export type ApprovalDetail = Answer<'GET /v1/approvals/{id}'>;
export type ApprovalState = Approval['state'];

const listed = 200;

export function useApprovals(state?: ApprovalState) {
  return useQuery({
    queryKey: ['approvals', 'list', state ?? 'all'],
    queryFn: async ({ signal }) => {
      const { approvals } = await call('GET /v1/approvals', {
        query: { limit: listed, ...(state === undefined ? {} : { state }) },
        signal,
      });
      return approvals;
    },
    // Behind the event stream, should that be lost.
    refetchInterval: 30_000,
  });
}

/** What waits, longest first. */
export function usePending(): readonly Approval[] {
  return useApprovals('pending').data?.toReversed() ?? [];
}

export function useApproval(id: string) {
  return useQuery({
    queryKey: ['approvals', id],
    queryFn: ({ signal }) => call('GET /v1/approvals/{id}', { path: { id }, signal }),
    // The estimate and the sample come a moment after the approval.
    refetchInterval: ({ state: { data } }) => (data?.state === 'pending' && data.preview === null && data.mayAnswer ? 1000 : false),
  });
}

export interface GivenAnswer {
  readonly verdict: 'approve' | 'deny';
  readonly justification?: string;
  readonly forMs?: number;
}

export function useAnswer(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: GivenAnswer) => call('POST /v1/approvals/{id}/answer', { path: { id }, body }),
    onSettled: () => client.invalidateQueries({ queryKey: ['approvals'] }),
  });
}
