/** Who gets in: by token, or by being on this machine and no foreign web page. */

import { expect } from 'chai';

import {
  createAuthenticator,
  type Credentials,
  isLoopback,
} from '../../../nodes/gateways/authenticate.ts';
import { type GatewayConfig, gatewayConfigSchema } from '../../../nodes/gateways/config.ts';
import { ConfigInvalid } from '../../../runtime/errors.ts';

type Given = Partial<GatewayConfig>;

function verdict(config: Given, headers: Credentials['headers'], url = '/v1/ws'): string {
  const authenticate = createAuthenticator(gatewayConfigSchema.parse(config));
  const result = authenticate({ headers: { host: '127.0.0.1:8080', ...headers }, url });
  return result.ok ? `${result.principal.name}@${result.principal.tenant}` : String(result.status);
}

const secret = { token: 'open-sesame' };
const others = { tokens: [{ token: 'theirs', name: 'eve', tenant: 'acme' }] };
const evil = 'https://evil.example';

const cases: readonly (readonly [string, Given, Credentials['headers'], string, string])[] = [
  ['anybody on loopback', {}, {}, '', 'local@default'],
  ['a client that calls it localhost', {}, { host: 'localhost:8080' }, '', 'local@default'],
  ['a client that calls it [::1]', {}, { host: '[::1]:8080' }, '', 'local@default'],
  ['a page of this machine', {}, { origin: 'http://localhost:5173' }, '', 'local@default'],
  ['no page of another origin', {}, { origin: evil }, '', '403'],
  ['no page that only looks local', {}, { origin: 'http://localhost.evil.example' }, '', '403'],
  ['no page without an origin of its own', {}, { origin: 'null' }, '', '403'],
  ['a page that is configured', { allowedOrigins: [evil] }, { origin: evil }, '', 'local@default'],
  ['no rebound name', {}, { host: 'evil.example:8080' }, '', '403'],
  ['no name that starts like an address', {}, { host: '127.0.0.1.evil.example' }, '', '403'],
  ['a name that is configured', { allowedHosts: ['box'] }, { host: 'BOX:80' }, '', 'local@default'],
  ['nobody without the token', secret, {}, '', '401'],
  ['a bearer', secret, { authorization: 'Bearer open-sesame' }, '', 'token@default'],
  [
    'a bearer in small letters',
    secret,
    { authorization: 'bearer open-sesame' },
    '',
    'token@default',
  ],
  ['a token in the URL', secret, {}, '/v1/ws?token=open-sesame', 'token@default'],
  ['no bearer of another token', secret, { authorization: 'Bearer open-sesam' }, '', '401'],
  ['no empty token', secret, {}, '/v1/ws?token=', '401'],
  ['nobody by password', secret, { authorization: 'Basic b3Blbi1zZXNhbWU=' }, '', '401'],
  [
    'a foreign page with the token',
    secret,
    { origin: evil },
    '/?token=open-sesame',
    'token@default',
  ],
  ['a tenant by its token', others, { authorization: 'Bearer theirs' }, '', 'eve@acme'],
  [
    'the token elsewhere than on loopback',
    { ...secret, host: '0.0.0.0' },
    { host: 'box', authorization: 'Bearer open-sesame' },
    '',
    'token@default',
  ],
];

describe('authentication', () => {
  for (const [name, config, headers, url, expected] of cases) {
    it(`lets in ${name}`, () => {
      expect(verdict(config, headers, url)).to.equal(expected);
    });
  }

  it('does not start without a token where other machines can connect', () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.2', 'box.local']) {
      expect(() => createAuthenticator(gatewayConfigSchema.parse({ host })))
        .to.throw(ConfigInvalid)
        .with.property('message')
        .that.matches(/needs a token/);
    }
  });

  it('never says the token', () => {
    const authenticate = createAuthenticator(gatewayConfigSchema.parse(secret));
    const refused = authenticate({ headers: { authorization: 'Bearer guess' }, url: '/' });
    expect(JSON.stringify(refused)).to.not.match(/open-sesame|guess/);
  });

  it('knows loopback', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'LOCALHOST'].every(isLoopback)).to.equal(true);
    expect(['127.0.0.1.x', '0.0.0.0', '::', 'localhost.x', ''].some(isLoopback)).to.equal(false);
  });
});
