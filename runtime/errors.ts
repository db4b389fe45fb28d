/**
 * Failures at a port (bus, store, engine, process): one class a failure mode, each with a stable
 * code, the address involved and the cause. Expected outcomes of queries are not errors: they are
 * reply data, see `actors/domain/outcome.ts`.
 */

export abstract class InfaasError extends Error {
  abstract readonly code: string;
  /** What it was about: a subject, a path, a URL, a file. */
  readonly address: string;

  constructor(message: string, address: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.address = address;
  }
}

export class BusDisconnected extends InfaasError {
  readonly code = 'bus_disconnected';
}

export class BusPayloadTooLarge extends InfaasError {
  readonly code = 'bus_payload_too_large';
}

export class BusUnreachable extends InfaasError {
  readonly code = 'bus_unreachable';
}

/** This process may not be the node it wants to be, or not any longer. */
export class NodeRefused extends InfaasError {
  readonly code = 'node_refused';
}

export class FrameRejected extends InfaasError {
  readonly code = 'frame_rejected';
}

export class EngineFailed extends InfaasError {
  readonly code = 'engine_failed';
}

export class StoreFailed extends InfaasError {
  readonly code = 'store_failed';
}

/** Bytes that do not hash to the address they were asked for under. */
export class BlobCorrupt extends InfaasError {
  readonly code = 'blob_corrupt';
}

export class BlobMissing extends InfaasError {
  readonly code = 'blob_missing';
}

export class ManifestInvalid extends InfaasError {
  readonly code = 'manifest_invalid';
}

export class ConfigInvalid extends InfaasError {
  readonly code = 'config_invalid';
}

/** The message of anything thrown, for logs and details. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
