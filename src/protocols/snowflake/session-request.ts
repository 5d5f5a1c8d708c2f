// A statement as the gate is asked about it. Hashes are wanted only when an approval is bound to them.

import { createHash, randomBytes } from 'node:crypto';
import type { Sha256Hex, TargetName } from '../../core/ids.ts';
import type { Request, RequestAction } from '../../core/request.ts';
import type { PlannedRequest } from './planning.ts';
import type { StatementRequest } from './statement-request.ts';

const noParameters: Request['parameters'] = [];

export class SnowflakeRequest implements Request {
  readonly target: TargetName;
  readonly action: RequestAction;
  readonly facts: Request['facts'];
  readonly parameters: Request['parameters'];
  readonly maskSetId: string;
  readonly catalogueVersion: string;
  readonly sealed: Request['sealed'];
  readonly #planned: PlannedRequest;
  #statementSha256: Sha256Hex | null = null;

  constructor(target: TargetName, asked: StatementRequest, planned: PlannedRequest) {
    this.target = target;
    this.action = asked.isDescribe ? 'prepare' : 'query';
    this.facts = planned.plan.facts;
    this.parameters =
      asked.binds.length === 0 ? noParameters : asked.binds.map(({ type, value }) => ({ type: typeName(type), bytes: bytesOf(value) }));
    this.maskSetId = planned.maskSetId;
    this.catalogueVersion = planned.catalogueVersion;
    this.sealed = {
      statement: Buffer.from(asked.text),
      parameters: asked.binds.length === 0 ? null : Buffer.from(JSON.stringify(asked.bindFields)),
    };
    this.#planned = planned;
  }

  get statementSha256(): Sha256Hex {
    this.#statementSha256 ??= this.#planned.formSha256() ?? sha256(randomBytes(32));
    return this.#statementSha256;
  }

  get parametersSha256(): Sha256Hex {
    return sha256(this.sealed.parameters ?? new Uint8Array());
  }
}

function typeName(type: string): string {
  return type.replaceAll(/[^A-Za-z0-9_]/g, '?').slice(0, 63) || 'unknown';
}

function bytesOf(value: string | null | readonly (string | null)[]): number {
  if (value === null) return 0;
  if (typeof value === 'string') return Buffer.byteLength(value);
  return value.reduce((sum, one) => sum + (one === null ? 0 : Buffer.byteLength(one)), 0);
}

function sha256(bytes: Uint8Array): Sha256Hex {
  return createHash('sha256').update(bytes).digest('hex') as Sha256Hex;
}
