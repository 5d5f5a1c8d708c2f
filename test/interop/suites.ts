// All suites, in the order they run.

import { goSuites } from './go-suites.ts';
import { pythonSuites } from './python-suites.ts';
import { pgbenchSuite } from './pgbench-suite.ts';
import { regressSuite } from './regress-suite.ts';
import type { Suite } from './suite.ts';
import { toolsSuite } from './tools-suite.ts';

export const suites: readonly Suite[] = [toolsSuite, pgbenchSuite, regressSuite, ...goSuites, ...pythonSuites];
