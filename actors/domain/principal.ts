/** Who asks. Every operation has a principal; the tenant comes from it. */

export interface Principal {
  readonly name: string;
  readonly tenant: string;
  /** False: it asks queries, and changes nothing of what is registered. */
  readonly mayRegister?: boolean | undefined;
}

/** Loopback without credentials. */
export const localPrincipal: Principal = { name: 'local', tenant: 'default' };
