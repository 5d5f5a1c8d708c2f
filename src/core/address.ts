// Which addresses never leave this machine. One rule for listeners, upstreams, identity providers and clients.

/** True for `localhost`, 127.0.0.0/8, ::1 and its IPv4-mapped form, with or without URL brackets. Other names are not trusted
 *  to be local, whatever they resolve to. */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (plain === 'localhost' || plain === '::1' || plain === '::ffff:127.0.0.1') return true;
  const parts = plain.split('.');
  return parts.length === 4 && parts[0] === '127' && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}
