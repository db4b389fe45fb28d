/**
 * Reaches a running system through the client library, over WebSocket or NATS alike, and says what
 * to do where it cannot be reached.
 */

import { type Answer, ClientError, connect, type InfaasClient } from '../../client/index.ts';
import { CommandFailed, QueryWasRefused } from './errors.ts';
import type { ChosenSystem } from './client-options.ts';
import { startProgress } from './progress.ts';
import type { System, SystemAnswer, SystemQuery } from './system.ts';
import type { Terminal } from './terminal.ts';

/** Fails with CommandFailed when nobody answers there, or not with this token. */
export async function connectToSystem({ url, token }: ChosenSystem): Promise<System> {
  try {
    return new ClientSystem(await connect(url, token === undefined ? {} : { token }), url);
  } catch (error) {
    throw explained(error, url);
  }
}

/** Connects, uses, closes. What takes longer than a second is said. */
export async function withSystem<T>(
  terminal: Terminal,
  chosen: ChosenSystem,
  use: (system: System) => Promise<T>,
): Promise<T> {
  const progress = startProgress(terminal, `waiting for ${chosen.url} …`);
  try {
    const system = await connectToSystem(chosen);
    try {
      return await use(system);
    } finally {
      await system.close();
    }
  } finally {
    progress.done();
  }
}

class ClientSystem implements System {
  private readonly client: InfaasClient;
  private readonly url: string;

  constructor(client: InfaasClient, url: string) {
    this.client = client;
    this.url = url;
  }

  async query(query: SystemQuery): Promise<SystemAnswer> {
    return systemAnswer(await this.client.query(query));
  }

  tasks: System['tasks'] = (filters) => this.answered(this.client.tasks(filters));
  architectures: System['architectures'] = (filters) =>
    this.answered(this.client.architectures(filters));
  variants: System['variants'] = (filters) => this.answered(this.client.variants(filters));
  workers: System['workers'] = () => this.answered(this.client.workers());
  instances: System['instances'] = () => this.answered(this.client.instances());

  register: System['register'] = (manifest, files, options) =>
    this.answered(this.client.register(manifest, files, options));
  unregister: System['unregister'] = (architecture, variant) =>
    this.answered(this.client.unregister(architecture, variant));

  explain: System['explain'] = (queryId) => this.consulted(this.client.explain(queryId));
  quote: System['quote'] = (asked) => this.consulted(this.client.quote(asked));

  explainSubject: System['explainSubject'] = (subject) =>
    this.consulted(this.client.explainSubject(subject));
  subscribe: System['subscribe'] = (filter, listener, signal) =>
    this.consulted(this.client.subscribe(filter, listener, signal));

  submitOffline: System['submitOffline'] = (job) => this.consulted(this.client.submitOffline(job));
  offlineStatus: System['offlineStatus'] = (job) => this.consulted(this.client.offlineStatus(job));
  cancelOffline: System['cancelOffline'] = (job) => this.consulted(this.client.cancelOffline(job));
  offlineJobs: System['offlineJobs'] = () => this.consulted(this.client.offlineJobs());

  close(): Promise<void> {
    return this.client.close();
  }

  /** A refusal is an answer here, as it is to a query. */
  private async consulted<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      const isAway = error.code === 'unavailable' || error.code === 'unauthorized';
      throw isAway ? explained(error, this.url) : new QueryWasRefused(error);
    }
  }

  private async answered<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw explained(error, this.url);
    }
  }
}

/** Outputs as tensors of bytes again, which is what this side prints and sends on. */
function systemAnswer(answer: Answer): SystemAnswer {
  if (!answer.ok) return answer;
  const outputs = Object.entries(answer.outputs).map(
    ([name, { datatype, shape, bytes }]) => [name, { datatype, shape, data: bytes }] as const,
  );
  return { ...answer, outputs: Object.fromEntries(outputs) };
}

/** The client names the address first, and so do we. */
function withoutAddress(message: string): string {
  return message.replace(/^[a-z]+:\/\/\S+?(?:: | cannot be reached: )/, '');
}

function explained(error: unknown, url: string): unknown {
  if (!(error instanceof ClientError)) return error;
  return new CommandFailed(messageFor(error, url), error.code, error);
}

function messageFor({ code, message: whole }: ClientError, url: string): string {
  const message = withoutAddress(whole);
  const overNats = /^(nats|tls):/.test(url);
  if (code === 'unauthorized') {
    return `${url} does not let us in: ${message}. Give its token with --token or INFAAS_TOKEN`;
  }
  if (code !== 'unavailable') return `${url}: ${message}`;
  return overNats
    ? `no system answers at ${url}: ${message}.\n` +
        `Start one with \`infaas controller --nats ${url} --zoo\` and ` +
        `\`infaas worker --nats ${url}\`, or say where it is with --nats`
    : `no system answers at ${url}: ${message}.\n` +
        'Start one with `infaas up --zoo`, or say where it is with --url or --nats';
}
