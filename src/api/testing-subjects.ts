// A subject search for tests of the API.

import { SallyportError } from '../core/error.ts';
import type { SubjectSearchAnswer } from '../core/subject-search.ts';
import type { SubjectsSurface, SubjectWish } from './subject-views.ts';

export type SubjectAsked = SubjectWish & { readonly by: string };

const SUBJECT_SEARCH: Omit<SubjectSearchAnswer, 'target' | 'subject'> = {
  seq: 12,
  columns: ['public.patients.id'],
  entries: { from: 0, to: 12 },
  touching: 3,
  hits: [
    {
      seq: 4,
      at: '2026-11-01T00:00:00.000Z',
      principal: { issuer: 'corp', subject: 'agent-1', kind: 'agent' },
      onBehalfOf: null,
      session: 'ses_a',
      action: 'query',
      statement: 'SELECT * FROM patients WHERE id = $1',
      effects: ['read'],
      relations: ['public.patients'],
      approval: null,
      grant: null,
      result: { seq: 5, rows: 1, code: 'ok' },
      how: ['asked', 'returned'],
    },
  ],
  hitCount: 1,
  unsure: [],
  unsureCount: 0,
  indexedSince: { seq: 0, at: '2026-11-01T00:00:00.000Z' },
  damaged: [],
};

/** @param searched what was asked for is added to it */
export function subjectFakes(searched: SubjectAsked[]): SubjectsSurface {
  return {
    list: () => [{ target: 'clinic', name: 'patient', columns: ['public.patients.id'] }],
    search: async (by, wish) => {
      searched.push({ by: by.subject, ...wish });
      if (wish.subject !== 'patient') throw new SallyportError('SP_SUBJECT_UNKNOWN', 'no such subject');
      const { target, subject } = wish;
      return { ...SUBJECT_SEARCH, target, subject };
    },
  };
}
