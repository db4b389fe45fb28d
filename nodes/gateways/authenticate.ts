/**
 * Who is it? Every operation has a principal.
 *
 * On loopback nobody is asked, but then a web page in a browser on this machine must not get in
 * either: a foreign `Origin` is refused (cross-site requests), and so is a `Host` that is not ours
 * (DNS rebinding, where the page's own name resolves to 127.0.0.1). Elsewhere a token is mandatory.
 * Sources: OWASP WebSocket Security; RFC 6750 (bearer tokens).
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import { localPrincipal, type Principal } from '../../actors/domain/principal.ts';
import { ConfigInvalid } from '../../runtime/errors.ts';
import type { GatewayConfig } from './config.ts';

export type Authenticated =
  | { readonly ok: true; readonly principal: Principal }
  | { readonly ok: false; readonly status: 401 | 403; readonly error: QueryError };

/** What of a request says who it is. */
export type Credentials = Pick<IncomingMessage, 'headers' | 'url'>;

export type Authenticate = (request: Credentials) => Authenticated;

type AuthConfig = Pick<
  GatewayConfig,
  'host' | 'token' | 'tokens' | 'allowedOrigins' | 'allowedHosts'
>;

/** Throws ConfigInvalid where a listener would be open to other machines. */
export function createAuthenticator(config: AuthConfig): Authenticate {
  const tokens = knownTokens(config);
  if (tokens.length > 0) return (request) => byToken(request, tokens);
  if (!isLoopback(config.host)) {
    throw new ConfigInvalid(
      `listening on ${config.host} is open to other machines and needs a token: ` +
        'configure one, or listen on 127.0.0.1',
      config.host,
    );
  }
  const origins = new Set(config.allowedOrigins);
  const hosts = new Set(config.allowedHosts.map((host) => host.toLowerCase()));
  return (request) => byPlace(request, origins, hosts);
}

/** Web pages that may read answers: the browser asks before it lets them (CORS). */
export function isOriginAllowed(config: AuthConfig, origin: string): boolean {
  return config.allowedOrigins.includes(origin) || isLocalOrigin(origin);
}

interface KnownToken {
  readonly digest: Buffer;
  readonly principal: Principal;
}

function knownTokens(config: AuthConfig): readonly KnownToken[] {
  const named = config.tokens.map(({ token, name, tenant, mayRegister }) => ({
    digest: digestOf(token),
    principal: mayRegister === false ? { name, tenant, mayRegister } : { name, tenant },
  }));
  return config.token === undefined
    ? named
    : [
        { digest: digestOf(config.token), principal: { name: 'token', tenant: 'default' } },
        ...named,
      ];
}

function byToken(request: Credentials, tokens: readonly KnownToken[]): Authenticated {
  const offered = tokenOf(request);
  if (offered === undefined) {
    return unauthorized(
      'a token is needed: the header Authorization: Bearer TOKEN, or ?token=TOKEN in the URL',
    );
  }
  const digest = digestOf(offered);
  let found: Principal | undefined;
  // All are compared, so that the time taken says nothing.
  for (const known of tokens) if (timingSafeEqual(known.digest, digest)) found = known.principal;
  return found === undefined
    ? unauthorized('the token is not known here')
    : { ok: true, principal: found };
}

/** Equal lengths for a comparison in constant time. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function tokenOf({ headers, url }: Credentials): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '');
  if (bearer?.[1] !== undefined) return bearer[1];
  const query = url?.indexOf('?') ?? -1;
  if (url === undefined || query < 0) return undefined;
  return new URLSearchParams(url.slice(query + 1)).get('token') ?? undefined;
}

function byPlace(
  { headers }: Credentials,
  origins: ReadonlySet<string>,
  hosts: ReadonlySet<string>,
): Authenticated {
  const { host, origin } = headers;
  const name = hostName(host);
  if (name !== undefined && !isLoopback(name) && !hosts.has(name)) {
    return forbidden(
      'this listener is for this machine only; the Host header names another (see allowedHosts)',
    );
  }
  if (origin !== undefined && !origins.has(origin) && !isLocalOrigin(origin)) {
    return forbidden('web pages of other origins may not connect (see allowedOrigins)');
  }
  return { ok: true, principal: localPrincipal };
}

function unauthorized(message: string): Authenticated {
  return { ok: false, status: 401, error: queryError('unauthorized', message) };
}

function forbidden(message: string): Authenticated {
  return { ok: false, status: 403, error: queryError('unauthorized', message) };
}

function isLocalOrigin(origin: string): boolean {
  const match = /^https?:\/\/([^/]+)$/.exec(origin);
  const name = hostName(match?.[1]);
  return name !== undefined && isLoopback(name);
}

/** `[::1]:8080` -> `::1`; undefined without a host. */
function hostName(host: string | undefined): string | undefined {
  if (host === undefined || host === '') return undefined;
  const bracketed = /^\[([^\]]*)\](:\d+)?$/.exec(host);
  return (bracketed?.[1] ?? host.replace(/:\d+$/, '')).toLowerCase();
}

/** True for names that only this machine can mean. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === 'localhost' ||
    name === '::1' ||
    name.endsWith('.localhost') ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
  );
}
