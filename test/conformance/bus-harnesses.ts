/** The buses the contract is proved on: the in-process one, and NATS with a server of its own. */

import { createInProcessBus } from '../../nodes/adapters/in-process-bus.ts';
import { connectNatsBus } from '../../nodes/adapters/nats-bus.ts';
import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import type { Bus } from '../../runtime/bus.ts';
import { silentLogger } from '../../runtime/log.ts';
import { type BusHarness, eventually } from './bus-harness.ts';
import { CuttableBus } from './cuttable-bus.ts';

/** Nodes of one process share one bus; a test cuts the connection each has to it. */
export function inProcessHarness(
  wrap: (bus: CuttableBus) => Bus = (bus) => bus,
  patienceMs = 5_000,
): Promise<BusHarness> {
  const hub = createInProcessBus({ payloadMax: 100_000 });
  const opened: { connection: CuttableBus; bus: Bus }[] = [];
  return Promise.resolve({
    patienceMs,
    open: () => {
      const connection = new CuttableBus(hub);
      const bus = wrap(connection);
      opened.push({ connection, bus });
      return Promise.resolve(bus);
    },
    cut: () => {
      for (const { connection } of opened) connection.disconnect();
      return Promise.resolve();
    },
    restore: () => {
      for (const { connection } of opened) connection.reconnect();
      return Promise.resolve();
    },
    close: async () => {
      for (const { bus } of opened) await bus.close();
      await hub.close();
    },
  });
}

/** A real server, killed to cut its clients and started anew on its port to restore them. */
export async function natsHarness(): Promise<BusHarness> {
  const patienceMs = 10_000;
  let server: NatsServer = await startNatsServer({ log: silentLogger });
  const port = Number(new URL(server.url).port);
  const buses: Bus[] = [];
  const become = (status: Bus['status']): Promise<void> =>
    eventually(
      `the buses are ${status}`,
      () => buses.every((bus) => bus.status === status || bus.status === 'closed'),
      patienceMs,
    );
  return {
    patienceMs,
    open: async () => {
      const bus = await connectNatsBus({ url: server.url, name: 'suite', log: silentLogger });
      buses.push(bus);
      return bus;
    },
    cut: async () => {
      await server.stop();
      await become('disconnected');
    },
    restore: async () => {
      server = await startNatsServer({ log: silentLogger, port });
      await become('connected');
    },
    close: async () => {
      for (const bus of buses) await bus.close();
      await server.stop();
    },
  };
}
