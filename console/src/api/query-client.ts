// What was read of the API. When the log-in is over nothing of it stays: who comes next to this browser is somebody else.

import { QueryCache, QueryClient } from '@tanstack/react-query';
import { Problem } from './client.ts';

const WHO = 'whoami';
/** What anybody may know. */
const KEPT: readonly unknown[] = [WHO, 'login-options'];

/** A refusal is an answer; only silence is worth another try. */
const isWorthRetrying = (failures: number, fault: Error): boolean => failures < 3 && fault instanceof Problem && fault.status === 0;

export function createQueryClient(): QueryClient {
  const queryCache = new QueryCache({
    onError: (fault, { queryKey }) => {
      if (!(fault instanceof Problem) || fault.status !== 401) return;
      if (queryKey[0] === WHO) client.removeQueries({ predicate: (query) => !KEPT.includes(query.queryKey[0]) });
      // Whether it is over, one question tells.
      else void client.invalidateQueries({ queryKey: [WHO] });
    },
  });
  const client = new QueryClient({
    queryCache,
    defaultOptions: { queries: { staleTime: 30_000, retry: isWorthRetrying, refetchOnWindowFocus: true } },
  });
  return client;
}
