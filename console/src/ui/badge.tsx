// One look for each word of the gate.

import { Bot, Cog, User } from 'lucide-react';
import { readable } from './readable.ts';

export type Tone = 'allow' | 'hold' | 'deny' | 'mask' | 'clear' | 'plain';

export function Badge({ tone = 'plain', children }: { readonly tone?: Tone; readonly children: React.ReactNode }) {
  return <span className={`badge badge-${tone}`}>{children}</span>;
}

const STATES: Readonly<Record<string, Tone>> = {
  pending: 'hold',
  waiting: 'hold',
  held: 'hold',
  hold: 'hold',
  approved: 'allow',
  allow: 'allow',
  allowed: 'allow',
  active: 'allow',
  live: 'allow',
  ready: 'allow',
  used: 'allow',
  denied: 'deny',
  deny: 'deny',
  failed: 'deny',
  unavailable: 'deny',
};

export function State({ state }: { readonly state: string }) {
  return <Badge tone={STATES[state] ?? 'plain'}>{state}</Badge>;
}

/** A class of protected data; `mask` says how it comes out. */
export function ClassBadge({ name, mask }: { readonly name: string; readonly mask?: string }) {
  const isClear = mask === 'clear';
  return (
    <Badge tone={mask === undefined ? 'plain' : isClear ? 'clear' : 'mask'}>
      {name}
      {mask !== undefined && <span className="badge-how">{isClear ? 'in clear' : mask}</span>}
    </Badge>
  );
}

const KINDS = { agent: Bot, person: User, service: Cog } as const;

interface ActorProps {
  readonly actor: {
    readonly kind: 'person' | 'agent' | 'service';
    readonly subject: string;
    readonly issuer: string;
    readonly name?: string;
  };
}

export function Actor({ actor }: ActorProps) {
  const Icon = KINDS[actor.kind];
  return (
    <span className="actor" title={readable(`${actor.kind} ${actor.issuer}/${actor.subject}`)}>
      <Icon aria-label={actor.kind} size={16} />
      <span>{readable(actor.name ?? actor.subject)}</span>
    </span>
  );
}
