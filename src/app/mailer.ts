// Mail by SMTP, through nodemailer. The server's name is resolved and judged here, the connection goes to that address, and the
// certificate must fit the name. REFUSES: a server without TLS unless it is on this machine and `insecure` says so.

import nodemailer from 'nodemailer';
import type { Secret } from '../core/secret.ts';
import { acceptedAddresses, type EgressDeps, type EgressRules, type SendMail } from '../notify/index.ts';

export interface MailServer {
  readonly host: string;
  readonly port: number;
  readonly tls: 'starttls' | 'implicit';
  readonly rules: EgressRules;
  readonly login: { readonly user: string; readonly password: Secret } | null;
}

const FAULTS: Readonly<Record<string, string>> = {
  EAUTH: 'smtp-log-in-refused',
  ETLS: 'tls-failed',
  ETIMEDOUT: 'timeout',
  EENVELOPE: 'smtp-address-refused',
  EMESSAGE: 'smtp-message-refused',
};

export function createMailer(server: MailServer, deps: EgressDeps): SendMail {
  return async (mail, signal) => {
    const { rules, login } = server;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(deps.deadlineMs)]);
    const failed = (fault: string, isFinal = false) => ({ isSent: false as const, fault, ...(isFinal ? { isFinal: true as const } : {}) });
    const isPlain = rules.insecure;
    const addresses = await acceptedAddresses(server.host, isPlain, rules, deps, deadline);
    if (deadline.aborted) return failed(signal.aborted ? 'interrupted' : 'timeout');
    if (typeof addresses === 'string') return failed(addresses);
    const transport = nodemailer.createTransport({
      host: addresses[0]?.address ?? '',
      port: server.port,
      secure: !isPlain && server.tls === 'implicit',
      requireTLS: !isPlain,
      ignoreTLS: isPlain,
      tls: { servername: server.host, minVersion: 'TLSv1.2', ...(rules.ca === null ? {} : { ca: rules.ca }) },
      ...(login === null ? {} : { auth: { user: login.user, pass: login.password.reveal() } }),
      connectionTimeout: deps.deadlineMs,
      greetingTimeout: deps.deadlineMs,
      socketTimeout: deps.deadlineMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const cut = new Promise<'cut'>((resolve) => deadline.addEventListener('abort', () => resolve('cut'), { once: true }));
    try {
      const { from, to, subject, text, messageId, references, headers } = mail;
      const sent = transport.sendMail({
        from,
        to: [...to],
        subject,
        text,
        messageId,
        references: [...references],
        headers: { ...headers },
      });
      if ((await Promise.race([sent, cut])) !== 'cut') return { isSent: true };
      sent.catch(() => undefined);
      return failed(signal.aborted ? 'interrupted' : 'timeout');
    } catch (fault) {
      const { code, responseCode } = fault as { code?: string; responseCode?: number };
      // What the server says is not repeated. Its 5xx about the message or all receivers is its last word.
      const isFinal = (code === 'EENVELOPE' || code === 'EMESSAGE') && responseCode !== undefined && responseCode >= 500;
      return failed(FAULTS[code ?? ''] ?? 'unreachable', isFinal);
    } finally {
      transport.close();
    }
  };
}
