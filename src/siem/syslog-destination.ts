// Syslog over TLS (RFC 5425). The protocol has no acknowledgement, so each batch has a connection of its own, which is closed in
// order from both sides: a receiver that has read our end and then ends its own has read all before it. Anything else sends it again.
// REFUSES: servers without a certificate that fits their name.

import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { type Destination, type DestinationParts, notTaken, type Outcome, TAKEN } from './destination.ts';
import { inSteps } from './in-steps.ts';
import { syslogFrame } from './syslog.ts';

/** Where a host leads, every address judged; or why it cannot be used. */
export type ResolveAccepted = (host: string, signal: AbortSignal) => Promise<readonly { readonly address: string }[] | string>;

export interface SyslogSettings extends DestinationParts {
  readonly host: string;
  readonly port: number;
  /** PEM certificates to trust instead of the system's; null = the system's. */
  readonly ca: string | null;
  /** PEM, for servers that want a certificate of ours; null = none. */
  readonly client: { readonly certificate: string; readonly key: string } | null;
  /** Of one message, without the count before it. */
  readonly maxMessageBytes: number;
  /** From look-up to the receiver's end. */
  readonly deadlineMs: number;
}

export function createSyslogDestination(settings: SyslogSettings, accepted: ResolveAccepted): Destination {
  const { name, context } = settings;
  return {
    name,
    kind: 'syslog',
    async send(batch, signal) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(settings.deadlineMs)]);
      const addresses = await accepted(settings.host, deadline);
      if (deadline.aborted) return notTaken(signal.aborted ? 'interrupted' : 'timeout');
      if (typeof addresses === 'string') return notTaken(addresses);
      const frames = await inSteps(batch, (leaf) => syslogFrame(leaf, context, settings.maxMessageBytes));
      const outcome = await handedOver(Buffer.concat(frames), addresses[0]?.address ?? '', settings, deadline);
      if (outcome.isTaken || !deadline.aborted) return outcome;
      return notTaken(signal.aborted ? 'interrupted' : 'timeout');
    },
    async close() {},
  };
}

async function handedOver(
  bytes: Buffer,
  address: string,
  { host, port, ca, client }: SyslogSettings,
  deadline: AbortSignal,
): Promise<Outcome> {
  const socket = connect({
    host: address,
    port,
    // An address is no name for SNI; the certificate is compared with it all the same.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(ca === null ? {} : { ca }),
    ...(client === null ? {} : { cert: client.certificate, key: client.key }),
  });
  let fault: string | null = null;
  socket.on('error', (error: NodeJS.ErrnoException) => {
    fault = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|EPROTO)/.test(error.code ?? '')
      ? 'tls-failed'
      : 'unreachable';
  });
  const closed = once(socket, 'close', { signal: deadline });
  try {
    await once(socket, 'secureConnect', { signal: deadline });
    // A receiver has nothing to say; its end is only seen by who reads.
    socket.resume();
    const ended = once(socket, 'end', { signal: deadline });
    socket.end(bytes);
    await Promise.race([ended, closed]);
    return fault === null && socket.readableEnded && socket.writableFinished ? TAKEN : notTaken(fault ?? 'interrupted');
  } catch {
    return notTaken(fault ?? 'unreachable');
  } finally {
    closed.catch(() => undefined);
    socket.destroy();
  }
}
