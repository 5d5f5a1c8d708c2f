import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { Answer } from '../../api/client.ts';
import { call, HEADERS, Problem, send } from '../../api/client.ts';
import type { Api } from '../../api/types.ts';

export type Explained = Answer<'POST /v1/policy/explain'>;
export type PolicyHistory = Answer<'GET /v1/policy/history'>;
export type PolicyFile = NonNullable<Answer<'GET /v1/policy'>['files']>[number];
export type Checked = Answer<'POST /v1/policy/check'>;
export type Tested = Answer<'POST /v1/policy/test'>;
export type Diffed = Answer<'POST /v1/policy/diff'>;
export type Diff = NonNullable<Diffed['diff']>;
export type Replayed = Answer<'POST /v1/policy/replay'>;
export type Applied = Answer<'POST /v1/policy/apply'>;
export type PolicyFault = Checked['faults'][number];
type Body<R extends keyof Api> = Api[R]['body'];

export function useTargetNames() {
  return useQuery({
    queryKey: ['targets', 'names'],
    queryFn: async ({ signal }) => (await call('GET /v1/targets', { signal })).targets.map(({ name }) => name),
  });
}

export function usePolicy() {
  return useQuery({ queryKey: ['policy', 'running'], queryFn: ({ signal }) => call('GET /v1/policy', { signal }) });
}

export function useMatrix() {
  return useQuery({ queryKey: ['policy', 'matrix'], queryFn: ({ signal }) => call('GET /v1/policy/matrix', { signal }) });
}

export function useHistory() {
  return useQuery({
    queryKey: ['policy', 'history'],
    queryFn: ({ signal }) => call('GET /v1/policy/history', { query: { limit: 50 }, signal }),
  });
}

export const useExplain = () =>
  useMutation({ mutationFn: (body: Body<'POST /v1/policy/explain'>) => call('POST /v1/policy/explain', { body }) });

export const useCheck = () =>
  useMutation({ mutationFn: (files: readonly PolicyFile[]) => call('POST /v1/policy/check', { body: { files } }) });
export const useTest = () =>
  useMutation({ mutationFn: (files: readonly PolicyFile[]) => call('POST /v1/policy/test', { body: { files } }) });
export const useDiff = () =>
  useMutation({ mutationFn: (files: readonly PolicyFile[]) => call('POST /v1/policy/diff', { body: { to: { kind: 'files', files } } }) });

export function useApply() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Body<'POST /v1/policy/apply'>) => call('POST /v1/policy/apply', { body }),
    onSettled: () => client.invalidateQueries({ queryKey: ['policy'] }),
  });
}

export function useRollback() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Body<'POST /v1/policy/rollback'>) => call('POST /v1/policy/rollback', { body }),
    onSettled: () => client.invalidateQueries({ queryKey: ['policy'] }),
  });
}

/** Lines of JSON: progress, then a result or a problem. @throws {Problem} */
export async function replay(
  body: Body<'POST /v1/policy/replay'>,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Replayed> {
  const response = await send('/v1/policy/replay?progress=true', {
    method: 'POST',
    headers: { ...HEADERS, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
  let unread = '';
  const lines = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await lines?.read(); part?.done === false; part = await lines?.read()) {
    const split = (unread + part.value).split('\n');
    unread = split.pop() ?? '';
    for (const line of split) {
      if (line.trim() === '') continue;
      const { progress, result, problem } = JSON.parse(line) as {
        progress?: { done: number; total: number };
        result?: Replayed;
        problem?: ConstructorParameters<typeof Problem>[0];
      };
      if (progress !== undefined) onProgress(progress.done, progress.total);
      if (problem !== undefined) throw new Problem(problem);
      if (result !== undefined) return result;
    }
  }
  throw new Problem({ status: 0, code: 'SP_UNREACHABLE', title: 'The answer ended early', remedy: 'Try again.' });
}
