// A local SMTP server that speaks as much as a client needs: EHLO, STARTTLS, AUTH PLAIN and LOGIN, MAIL, RCPT, DATA, QUIT.

import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body, dots unstuffed. */
  readonly data: string;
  readonly isEncrypted: boolean;
  readonly user: string | null;
}

export interface SmtpDouble {
  readonly port: number;
  readonly mails: ReceivedMail[];
  /** Commands as they came, with the credentials of AUTH. */
  readonly commands: string[];
  /** Replaces the answer to a command whose first word this is. */
  readonly answers: Map<string, string>;
  close(): Promise<void>;
}

export interface SmtpDoubleOptions {
  /** PEM texts; null = STARTTLS is not offered. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  readonly implicit?: boolean;
  readonly login?: { readonly user: string; readonly password: string };
}

export async function startSmtpDouble(options: SmtpDoubleOptions): Promise<SmtpDouble> {
  const mails: ReceivedMail[] = [];
  const commands: string[] = [];
  const answers = new Map<string, string>();
  const sockets = new Set<Socket>();
  const context = options.tls === null ? null : createSecureContext({ cert: options.tls.certificate, key: options.tls.key });

  function secure(socket: Socket): TLSSocket {
    const tls = new TLSSocket(socket, { isServer: true, ...(context === null ? {} : { secureContext: context }) });
    tls.on('error', () => socket.destroy());
    return tls;
  }

  function talk(socket: Socket, isEncrypted: boolean, greets: boolean): void {
    let buffer = '';
    let from = '';
    let to: string[] = [];
    let user: string | null = null;
    let data: string[] | null = null;
    let continuation: ((line: string) => void) | null = null;
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const authenticate = (name: string, password: string): void => {
      const isRight = name === options.login?.user && password === options.login.password;
      if (isRight) user = name;
      say(isRight ? '235 2.7.0 welcome' : '535 5.7.8 wrong');
    };
    const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8');
    const onData = (chunk: Buffer): void => {
      buffer += chunk.toString('utf8');
      for (let end = buffer.indexOf('\r\n'); end >= 0; end = buffer.indexOf('\r\n')) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        handle(line);
      }
    };
    const handle = (line: string): void => {
      if (data !== null) {
        if (line !== '.') return void data.push(line.startsWith('..') ? line.slice(1) : line);
        const text = data.join('\r\n');
        data = null;
        const refusal = answers.get('.');
        if (refusal !== undefined) return say(refusal);
        mails.push({ from, to, data: text, isEncrypted, user });
        return say('250 2.0.0 queued');
      }
      if (continuation !== null) {
        const next = continuation;
        continuation = null;
        return next(line);
      }
      commands.push(line);
      const [word = ''] = line.toUpperCase().split(' ');
      const answer = answers.get(word);
      if (answer !== undefined) return say(answer);
      switch (word) {
        case 'EHLO': {
          const extensions = [
            ...(context !== null && !isEncrypted ? ['STARTTLS'] : []),
            ...(options.login !== undefined && isEncrypted ? ['AUTH PLAIN LOGIN'] : []),
            '8BITMIME',
          ];
          return say(['250-double', ...extensions.map((name, at) => `250${at === extensions.length - 1 ? ' ' : '-'}${name}`)].join('\r\n'));
        }
        case 'STARTTLS': {
          if (context === null || isEncrypted) return say('502 5.5.1 no');
          // REFUSES: what was sent together with STARTTLS, in the clear (command injection).
          buffer = '';
          socket.off('data', onData);
          say('220 2.0.0 go');
          return talk(secure(socket), true, false);
        }
        case 'AUTH': {
          if (!isEncrypted) return say('538 5.7.11 encryption required');
          const [, method = '', initial] = line.split(' ');
          const plain = (text: string): void => {
            const [, name = '', password = ''] = decode(text).split('\0');
            authenticate(name, password);
          };
          if (method.toUpperCase() === 'PLAIN' && initial !== undefined) return plain(initial);
          if (method.toUpperCase() === 'PLAIN') {
            continuation = plain;
            return say('334 ');
          }
          const password = (name: string): void => {
            continuation = (text) => authenticate(name, decode(text));
            say('334 UGFzc3dvcmQ6');
          };
          if (initial !== undefined) return password(decode(initial));
          continuation = (text) => password(decode(text));
          return say('334 VXNlcm5hbWU6');
        }
        case 'MAIL':
          if (options.login !== undefined && user === null) return say('530 5.7.0 authentication required');
          from = /<([^>]*)>/.exec(line)?.[1] ?? '';
          to = [];
          return say('250 2.1.0 ok');
        case 'RCPT':
          to.push(/<([^>]*)>/.exec(line)?.[1] ?? '');
          return say('250 2.1.5 ok');
        case 'DATA':
          data = [];
          return say('354 go');
        case 'QUIT':
          say('221 2.0.0 bye');
          return void socket.end();
        case 'RSET':
        case 'NOOP':
          return say('250 2.0.0 ok');
        default:
          return say('502 5.5.1 no');
      }
    };
    socket.on('data', onData);
    if (greets) say('220 double ESMTP');
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    if (options.implicit === true) talk(secure(socket), true, true);
    else talk(socket, false, true);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    mails,
    commands,
    answers,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
