// When a question that nobody has answered may also be answered by a second role: after a while, or at once in the hours when
// the first one sleeps. Nothing is kept for it: the time of the question and the time of day decide.

export interface Escalation {
  /** Role that may answer then, beside the one that is asked. */
  readonly role: string;
  readonly afterMs: number;
  /** `from` and `to` as `HH:MM` of the time zone; an end before its start is on the next day. */
  readonly quietHours: { readonly from: string; readonly to: string; readonly timeZone: string } | null;
}

export function isEscalated({ afterMs, quietHours }: Escalation, askedAtMs: number, nowMs: number): boolean {
  return nowMs - askedAtMs >= afterMs || (quietHours !== null && isWithin(quietHours, nowMs));
}

function isWithin({ from, to, timeZone }: NonNullable<Escalation['quietHours']>, nowMs: number): boolean {
  const time = clockOf(timeZone).format(nowMs);
  return from <= to ? time >= from && time < to : time >= from || time < to;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** `HH:MM`, from 00:00 to 23:59. */
function clockOf(timeZone: string): Intl.DateTimeFormat {
  let clock = clocks.get(timeZone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    clocks.set(timeZone, clock);
  }
  return clock;
}
