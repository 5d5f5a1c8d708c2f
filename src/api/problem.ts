// Faults as application/problem+json (RFC 9457). The client sees the code's fixed public text and remedy, and which
// part of its own request was wrong; never the message of an error, a stack or a path of ours.

import { hasZodFastifySchemaValidationErrors } from '@fastify/type-provider-zod';
import { z } from 'zod';
import type { Category, ErrorCode } from '../core/error.ts';
import { ERROR_CODES, SallyportError } from '../core/error.ts';

const STATUS_OF_CATEGORY = {
  malformed: 400,
  unsupported: 400,
  identity: 401,
  denied: 403,
  cancelled: 409,
  limit: 429,
  audit: 503,
  upstream: 502,
  unavailable: 503,
  config: 422,
  internal: 500,
} as const satisfies Record<Category, number>;

/** Codes whose status is more exact than that of their category. */
const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  SP_APPROVAL_NOT_FOUND: 404,
  SP_APPROVAL_CONFLICT: 409,
  SP_GRANT_NOT_FOUND: 404,
  SP_GRANT_CONFLICT: 409,
  SP_API_NOT_FOUND: 404,
  SP_SUBJECT_UNKNOWN: 404,
  SP_TARGET_UNKNOWN: 404,
  SP_POLICY_VERSION_UNKNOWN: 404,
  SP_POLICY_CONFLICT: 409,
  SP_WIRE_TOO_LARGE: 413,
};

export const problemSchema = z
  .object({
    type: z.string().describe('URN of the error code'),
    title: z.string().describe('Fixed text of the code'),
    status: z.int(),
    code: z.string().describe('Stable code: SP_<AREA>_<WHAT>'),
    remedy: z.string().describe('What to do next'),
    retriable: z.boolean(),
    request: z.string().describe('Id of the request, for the operator'),
    faults: z.array(z.object({ path: z.string(), what: z.string() })).optional(),
  })
  .describe('Problem details (RFC 9457)');
export type Problem = z.infer<typeof problemSchema>;

export function statusOf(errorCode: ErrorCode): number {
  return STATUS_OF_CODE[errorCode] ?? STATUS_OF_CATEGORY[ERROR_CODES[errorCode].category];
}

/** Maps anything thrown to the problem a client may see. What is not ours becomes SP_INTERNAL. */
export function problemOf(error: unknown, requestId: string): Problem {
  const errorCode = codeOf(error);
  const { text, remedy, retriable } = ERROR_CODES[errorCode];
  const faults = validationFaults(error);
  return {
    type: `urn:sallyport:error:${errorCode}`,
    title: text,
    status: statusOf(errorCode),
    code: errorCode,
    remedy,
    retriable,
    request: requestId,
    ...(faults === null ? {} : { faults }),
  };
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof SallyportError) return error.code;
  if (hasZodFastifySchemaValidationErrors(error)) return 'SP_API_BAD_REQUEST';
  // Fastify's own refusals (unreadable JSON, wrong content type, body too large) carry a 4xx status.
  const status = statusCodeOf(error);
  if (status === 413) return 'SP_WIRE_TOO_LARGE';
  return status !== null && status >= 400 && status < 500 ? 'SP_API_BAD_REQUEST' : 'SP_INTERNAL';
}

function statusCodeOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return null;
  return typeof error.statusCode === 'number' ? error.statusCode : null;
}

/** The schema's own words about where the request is wrong; zod's messages name types and limits, not values. */
function validationFaults(error: unknown): { path: string; what: string }[] | null {
  if (!hasZodFastifySchemaValidationErrors(error)) return null;
  return error.validation.map((issue) => ({
    path: issue.instancePath.replace(/^\//, '').replaceAll('/', '.'),
    what: issue.message ?? 'not valid',
  }));
}
