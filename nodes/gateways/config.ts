/**
 * The gateways' configuration: where they listen, who may come in, and a limit on everything.
 *
 * Every bound has a default that holds without thought on one machine. What exceeds one gets a
 * typed answer that names the limit.
 */

import { z } from 'zod';

const MiB = 1024 * 1024;

const count = z.int().min(1);

export const gatewayConfigSchema = z.strictObject({
  /** Elsewhere than on loopback a token is mandatory. */
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 takes a free one. */
  port: z.int().min(0).max(65_535).default(8080),
  /** The one token; its bearer is of the tenant `default`. */
  token: z.string().min(1).optional(),
  /** More tokens, each with a principal of its own. */
  tokens: z
    .array(
      z.strictObject({
        token: z.string().min(1),
        name: z.string().min(1),
        tenant: z.string().min(1).default('default'),
        /** False: it may ask queries, and neither register nor unregister models. */
        mayRegister: z.boolean().optional(),
      }),
    )
    .default([]),
  /** Pages (`https://host:port`) that may connect without a token, besides this machine's. */
  allowedOrigins: z.array(z.string().min(1)).default([]),
  /** Names in the `Host` header by which a listener without a token may be called. */
  allowedHosts: z.array(z.string().min(1)).default([]),
  tls: z.strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) }).optional(),

  /** One request: a frame, a body. (NATS has a bound of its own, `max_payload`.) */
  payloadBytesMax: count.default(32 * MiB),
  /** One request in JSON; larger ones go as msgpack. */
  jsonBytesMax: count.default(4 * MiB),
  /** Tensor elements given one by one in a query: JSON, or msgpack arrays. */
  jsonElementsMax: count.default(65_536),
  /** Tensor elements in an answer that goes as JSON. */
  jsonAnswerElementsMax: count.default(65_536),
  /** Containers within containers. */
  depthMax: count.default(32),
  /** Values in one request, counting keys. */
  valuesMax: count.default(300_000),
  tensorDimensionsMax: count.max(64).default(16),
  /** Inputs of one query, and outputs it may name. */
  inputsMax: count.default(64),
  timeoutMsMax: count.default(600_000),

  connectionsMax: count.default(1_024),
  inFlightPerConnectionMax: count.default(1_024),
  /** Queries a gateway (WebSocket, HTTP, NATS) has in flight, and the bytes of their requests. */
  inFlightMax: count.default(65_536),
  /** Registrations, uploads of a chunk and removals that a gateway has under way. */
  registrationsMax: count.default(256),
  /** Clients that are told what happens in the fleet, and events that wait for one that is slow. */
  subscriptionsMax: count.default(256),
  subscriptionEventsMax: count.default(1_000),
  inFlightBytesMax: count.default(512 * MiB),
  /** Bodies of HTTP requests that are being read, together: they are not in flight yet. */
  uploadBytesMax: count.default(128 * MiB),
  /** Answers waiting for one client that does not read them. */
  bufferedBytesMax: count.default(64 * MiB),
  /** A connection that does not answer a ping within this is gone. */
  idlePingMs: count.default(30_000),
  /** A body or a header that takes longer to arrive is given up. */
  requestBodyMs: count.default(60_000),
  /** An HTTP answer that its client does not read for this long is given up. */
  unreadAnswerMs: count.default(60_000),
  /** How long a closing gateway waits for what is in flight. */
  drainMs: z.int().min(0).default(10_000),
});

export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;

/** The bounds that parsing needs. */
export type QueryLimits = Pick<
  GatewayConfig,
  'jsonElementsMax' | 'tensorDimensionsMax' | 'inputsMax' | 'timeoutMsMax' | 'payloadBytesMax'
>;
