// Which addresses a notification may be sent to. What is configured is a name; what counts is where it leads, so that nobody
// who controls a name (or a redirect, or a DNS answer) makes the gateway talk to what only the gateway can reach.
// SPEC: IANA special-purpose address registries (RFC 6890), RFC 6052 for addresses that embed an IPv4 address.

import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** `forbidden` = never, whatever is configured: metadata services, link-local, multicast, unspecified. */
export type AddressKind = 'public' | 'private' | 'loopback' | 'forbidden';

function blockList(family: 'ipv4' | 'ipv6', subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', prefix] = subnet.split('/');
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}

const FORBIDDEN_4 = blockList('ipv4', [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Metadata and host services of clouds that are not link-local: Alibaba, Azure.
  '100.100.100.200/32',
  '168.63.129.16/32',
]);
const LOOPBACK_4 = blockList('ipv4', ['127.0.0.0/8']);
const PRIVATE_4 = blockList('ipv4', [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
]);

// The metadata service of AWS, by its IPv6 address.
const FORBIDDEN_6 = blockList('ipv6', ['fd00:ec2::254/128']);
const UNIQUE_LOCAL_6 = blockList('ipv6', ['fc00::/7']);
const GLOBAL_6 = blockList('ipv6', ['2000::/3']);
/** Inside 2000::/3, but not a place of its own: protocol assignments with Teredo, documentation, 6to4. */
const SPECIAL_6 = blockList('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** @param address IPv4 or IPv6 text without brackets. Everything that is not understood is `forbidden`. */
export function addressKind(address: string): AddressKind {
  if (isIPv4(address)) return kindOfIpv4(address);
  // A zone id names an interface of this machine: link-local.
  if (!isIPv6(address) || address.includes('%')) return 'forbidden';
  const groups = groupsOf(address);
  if (groups === null) return 'forbidden';
  const embedded = embeddedIpv4(groups);
  if (embedded !== null) return kindOfIpv4(embedded);
  if (groups.every((group, at) => group === (at === 7 ? 1 : 0))) return 'loopback';
  if (FORBIDDEN_6.check(address, 'ipv6')) return 'forbidden';
  if (UNIQUE_LOCAL_6.check(address, 'ipv6')) return 'private';
  return GLOBAL_6.check(address, 'ipv6') && !SPECIAL_6.check(address, 'ipv6') ? 'public' : 'forbidden';
}

function kindOfIpv4(address: string): AddressKind {
  if (FORBIDDEN_4.check(address)) return 'forbidden';
  if (LOOPBACK_4.check(address)) return 'loopback';
  return PRIVATE_4.check(address) ? 'private' : 'public';
}

/** IPv4-mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96): the packet ends at the IPv4 address. */
function embeddedIpv4(groups: readonly number[]): string | null {
  const head = groups.slice(0, 6).join(',');
  if (head !== '0,0,0,0,0,65535' && head !== '100,65435,0,0,0,0') return null;
  const [high = 0, low = 0] = groups.slice(6);
  return `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] | null {
  // The URL parser writes a mapped IPv4 part as groups and shortens; what it gives has no dots any more.
  const host = URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1);
  if (host === undefined) return null;
  const [left = '', right] = host.split('::');
  const parse = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [before, after] = [parse(left), parse(right ?? '')];
  if (right === undefined) return before;
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}
