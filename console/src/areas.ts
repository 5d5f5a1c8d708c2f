// The areas of the console, in the order of the navigation. Each is loaded when it is first looked at.

import type { LucideIcon } from 'lucide-react';
import { BookLock, ChartColumn, Database, FileArchive, Scale, ScrollText, ShieldQuestionMark } from 'lucide-react';
import type { ComponentType, LazyExoticComponent } from 'react';
import { lazy } from 'react';
import type { Right } from './session.tsx';

export interface Area {
  /** Below /console. */
  readonly path: `/${string}`;
  readonly title: string;
  /** After `g`. */
  readonly key: string;
  readonly Icon: LucideIcon;
  readonly Page: LazyExoticComponent<ComponentType>;
  /** Absent = everybody. */
  readonly needs?: Right;
}

export const AREAS: readonly Area[] = [
  {
    path: '/approvals',
    title: 'Approvals',
    key: 'a',
    Icon: ShieldQuestionMark,
    Page: lazy(() => import('./areas/approvals/page.tsx')),
  },
  { path: '/sessions', title: 'Sessions', key: 's', Icon: ScrollText, Page: lazy(() => import('./areas/sessions/page.tsx')) },
  { path: '/overview', title: 'Overview', key: 'o', Icon: ChartColumn, Page: lazy(() => import('./areas/overview/page.tsx')) },
  { path: '/targets', title: 'Targets', key: 't', Icon: Database, Page: lazy(() => import('./areas/targets/page.tsx')) },
  { path: '/policy', title: 'Policy', key: 'p', Icon: Scale, Page: lazy(() => import('./areas/policy/page.tsx')) },
  {
    path: '/evidence',
    title: 'Evidence',
    key: 'e',
    Icon: FileArchive,
    Page: lazy(() => import('./areas/evidence/page.tsx')),
    needs: 'audit',
  },
  { path: '/log', title: 'Log', key: 'l', Icon: BookLock, Page: lazy(() => import('./areas/log/page.tsx')), needs: 'audit' },
];
