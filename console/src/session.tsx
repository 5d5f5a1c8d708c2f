// Who is looking, and whether what they see is live.

import { useQuery } from '@tanstack/react-query';
import { createContext, use, useSyncExternalStore } from 'react';
import type { Answer } from './api/client.ts';
import { call } from './api/client.ts';
import type { Live, LiveState } from './api/live.ts';

export type Viewer = Answer<'GET /v1/whoami'>;
export type Right = Viewer['rights'][number];

export const LiveContext = createContext<Live | null>(null);
export const ViewerContext = createContext<Viewer | null>(null);

/** @throws outside of a page that is logged in */
export function useViewer(): Viewer {
  const viewer = use(ViewerContext);
  if (viewer === null) throw new Error('nobody is logged in');
  return viewer;
}

export const useMay = (right: Right): boolean => useViewer().rights.includes(right);

export function useLive(): Live {
  const live = use(LiveContext);
  if (live === null) throw new Error('no event stream');
  return live;
}

export function useLiveState(): LiveState {
  const live = useLive();
  return useSyncExternalStore(
    (changed) => live.onState(changed),
    () => live.state,
  );
}

export function useWhoami() {
  return useQuery({ queryKey: ['whoami'], queryFn: ({ signal }) => call('GET /v1/whoami', { signal }), staleTime: 60_000 });
}
