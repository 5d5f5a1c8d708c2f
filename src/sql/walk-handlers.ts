// Handlers of node types whose meaning the table alone does not give, by type.

import { names as nameHandlers } from './walk-names.ts';
import { queries as queryHandlers } from './walk-query.ts';
import { writes as writeHandlers } from './walk-write.ts';
import type { Body } from './rewrite.ts';
import type { Walker } from './walk.ts';
import type { Frame } from './walk-scope.ts';

/** @returns the tagged node to put in place of this one, or null to keep it. */
export type Handler = (walker: Walker, body: Body, frame: Frame) => unknown;

export const handlers: Readonly<Record<string, Handler | undefined>> = {
  ...nameHandlers,
  ...queryHandlers,
  ...writeHandlers,
};
