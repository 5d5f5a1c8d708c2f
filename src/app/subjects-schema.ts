// `targets[].subjects`: whose data a target holds, and by which columns it is known.

import { z } from 'zod';
import { name } from './config-parts.ts';

const column = z
  .string()
  .max(300)
  .regex(/^[^.:\s"]+\.[^.:\s"]+\.[^.:\s"]+$/, 'expected schema.relation.column, each a name or with *, for example public.patients.id');

const subject = z.strictObject({ name, columns: z.array(column).min(1).max(200) });

export const targetSubjects = z
  .array(subject)
  .max(20)
  .default([])
  .superRefine((list, context) => {
    const seen = new Set<string>();
    list.forEach((item, index) => {
      if (seen.has(item.name)) context.addIssue({ code: 'custom', path: [index, 'name'], message: `${item.name} is defined twice` });
      seen.add(item.name);
    });
  });
