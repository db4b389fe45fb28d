/**
 * The actors of one node, by path: everything of an `ActorHost` but scheduling.
 *
 * A host adds when ready actors run (`CellScheduler`); this adds where messages go: to a cell, to
 * another node, to a typed refusal or to the dead letters. Nothing here throws at a sender.
 */

import type {
  ActorHost,
  ActorSpec,
  Address,
  DeadLetterReason,
  NodeId,
  Ref,
  RefusalReason,
  RemotePort,
  Terminated,
} from './actor.ts';
import { assert } from './assert.ts';
import type { AnySpec, CellGround, CellScheduler } from './cell.ts';
import { Cell } from './cell.ts';
import { DeadLetters } from './dead-letters.ts';
import { Incidents } from './incidents.ts';
import { restartPolicy } from './supervision.ts';
import type { TurnPorts } from './turns.ts';
import { Turns } from './turns.ts';
import type { Resolution } from './watch.ts';
import { attachWatch, Watch } from './watch.ts';

export interface HostLimits {
  /** Most messages waiting for a port's receiver. */
  readonly portMailboxMax: number;
  /** How many dead letters are kept to look at; all are counted. */
  readonly deadLettersKept: number;
}

export const defaultHostLimits: HostLimits = { portMailboxMax: 65_536, deadLettersKept: 64 };

export interface TreeOptions extends TurnPorts {
  readonly node: NodeId;
  readonly limits?: Partial<HostLimits>;
}

interface OutsideNotice {
  readonly isWanted: () => boolean;
  readonly notify: (terminated: Terminated) => void;
  readonly terminated: Terminated;
}

export class ActorTree implements Omit<ActorHost, 'shutdown'>, CellGround {
  readonly node: NodeId;
  readonly turns: Turns;
  readonly scheduler: CellScheduler;
  readonly deadLetters: DeadLetters;
  readonly incidents: Incidents;
  remote: RemotePort | undefined;
  /** Sees each turn before it runs (message undefined: a start). For traces. */
  observe: ((cell: Cell, message: unknown) => void) | undefined;
  readonly #limits: HostLimits;
  readonly #cells = new Map<string, Cell>();
  readonly #ports = new Set<Cell>();
  /** Tells watchers that are not actors; a cell of its own so that they too run within a turn. */
  readonly #outside: Cell;
  #epoch = 0;
  #closing = false;
  /** A refusal is under way. It is not refused itself, lest two full actors answer for ever. */
  #refusing = false;

  constructor(options: TreeOptions, scheduler: CellScheduler) {
    this.node = options.node;
    this.scheduler = scheduler;
    this.turns = new Turns(options, this);
    this.incidents = new Incidents(options.log, options.metrics);
    this.#limits = { ...defaultHostLimits, ...options.limits };
    this.deadLetters = new DeadLetters(this.#limits.deadLettersKept, options.metrics);
    this.#outside = this.#portCell('outside', Infinity, (notice) => {
      const { isWanted, notify, terminated } = notice as OutsideNotice;
      if (isWanted()) notify(terminated);
    });
    this.#outside.open();
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Refs given out from now on carry the new epoch; the pointers in older ones stay good. */
  set epoch(epoch: number) {
    this.#epoch = epoch;
    for (const cell of this.#cells.values()) cell.ref.epoch = epoch;
  }

  /** True once `stopAll` was called: nothing may be spawned any more. */
  get closing(): boolean {
    return this.#closing;
  }

  // --- Spawning and stopping ------------------------------------------------------------------

  spawn<S, M>(spec: ActorSpec<S, M>, name: string): Ref<M> {
    assert(!this.#closing, `'${name}' was spawned after shutdown`);
    assert(!this.#cells.has(`/${name}`), `the name '${name}' is taken`);
    const cell = new Cell(this, undefined, spec as unknown as AnySpec, name);
    cell.enter();
    return cell.ref;
  }

  port<M>(name: string, receive: (message: M) => void): Ref<M> {
    assert(!this.#cells.has(`/${name}`), `the name '${name}' is taken`);
    const mailboxMax = this.#limits.portMailboxMax;
    const cell = this.#portCell(name, mailboxMax, receive as (message: unknown) => void);
    this.#ports.add(cell);
    this.#cells.set(cell.path, cell);
    cell.open();
    return cell.ref;
  }

  closePort(port: Address): void {
    const cell = this.resolve(port);
    if (cell instanceof Cell && this.#ports.has(cell)) cell.stop('stopped', 'closed');
  }

  stop(target: Address): void {
    const cell = this.resolve(target);
    if (cell instanceof Cell && cell.alive) cell.requestStop();
  }

  /** Asks every top-level actor to stop, the youngest first. Ports stay open for last words. */
  stopAll(): void {
    this.#closing = true;
    for (const cell of [...this.#cells.values()].reverse()) {
      if (cell.parent === undefined && !this.#ports.has(cell)) cell.requestStop();
    }
  }

  closePorts(): void {
    for (const cell of [...this.#ports]) cell.stop('stopped', 'closed');
  }

  enter(cell: Cell): void {
    this.#cells.set(cell.path, cell);
    cell.ref.epoch = this.#epoch;
    this.#guarded('entering the host failed', cell, () => {
      this.scheduler.entered(cell);
    });
  }

  leave(cell: Cell): void {
    if (this.#cells.get(cell.path) === cell) this.#cells.delete(cell.path);
    this.#ports.delete(cell);
    this.#guarded('leaving the host failed', cell, () => {
      this.scheduler.left(cell);
    });
  }

  #portCell(name: string, mailboxMax: number, receive: (message: unknown) => void): Cell {
    const spec: AnySpec = {
      start: () => undefined,
      behaviour: (_state, message) => {
        try {
          receive(message);
        } catch (error) {
          this.incidents.absorb('the receiver of a port threw', cell.path, error);
        }
      },
      supervision: restartPolicy,
      mailboxMax,
    };
    const cell: Cell = new Cell(this, undefined, spec, name);
    return cell;
  }

  // --- Messages -------------------------------------------------------------------------------

  tell(to: Address, message: unknown): void {
    const cell = Cell.of(to);
    if (cell?.belongsTo(this)) cell.offer(message);
    else this.#tellByAddress(to, message);
  }

  deliver(path: string, message: unknown): DeadLetterReason | undefined {
    const cell = this.#cells.get(path);
    if (cell === undefined) {
      this.deadLetters.add({ node: this.node, epoch: this.#epoch, path }, message, 'no-such-actor');
      return 'no-such-actor';
    }
    if (!takesFromOthers(cell.spec, message)) {
      this.deadLetters.add(cell.ref, message, 'not-for-others');
      return 'not-for-others';
    }
    return cell.offer(message);
  }

  #tellByAddress(to: Address, message: unknown): void {
    const found = this.resolve(to);
    if (found === 'remote') {
      const lost = this.#sendRemote(to, message);
      if (lost !== undefined) this.deadLetters.add(to, message, lost);
    } else if (typeof found === 'string') {
      this.deadLetters.add(to, message, found);
    } else {
      found.offer(message);
    }
  }

  #sendRemote(to: Address, message: unknown): DeadLetterReason | undefined {
    if (this.remote === undefined) return 'node-unreachable';
    try {
      return this.remote.send(to, message);
    } catch (error) {
      this.incidents.absorb('sending to another node threw', undefined, error);
      return 'bus-refused';
    }
  }

  /**
   * A message the cell could not take, or failed on: its spec's answer to the sender. Without one,
   * what was not taken is a dead letter; a failure is counted as such already.
   */
  refuse(cell: Cell, message: unknown, reason: RefusalReason): DeadLetterReason | undefined {
    const answer = this.#refusing ? undefined : this.#refusalOf(cell, message, reason);
    if (answer === undefined) {
      if (reason !== 'actor-failed') this.deadLetters.add(cell.ref, message, reason);
      return reason;
    }
    this.turns.metrics.count('actor_refusals', 1, { reason });
    this.#refusing = true;
    this.tell(answer.to, answer.message);
    this.#refusing = false;
    return undefined;
  }

  #refusalOf(
    cell: Cell,
    message: unknown,
    reason: RefusalReason,
  ): { readonly to: Address; readonly message: unknown } | undefined {
    try {
      return cell.spec.refuse?.(message, reason);
    } catch (error) {
      this.incidents.absorb('refuse threw', cell.path, error);
      return undefined;
    }
  }

  // --- Addresses and watching -------------------------------------------------------------------

  isOurs(address: Address): boolean {
    return address.node === this.node && (address.epoch === 0 || address.epoch === this.#epoch);
  }

  resolve(address: Address): Resolution<Cell> {
    const cell = Cell.of(address);
    if (cell?.belongsTo(this)) return cell;
    if (address.node !== this.node) return 'remote';
    if (!this.isOurs(address)) return 'stale-epoch';
    return this.#cells.get(address.path) ?? 'no-such-actor';
  }

  watch(target: Address, notify: (terminated: Terminated) => void): () => void {
    let wanted = true;
    const watch = new Watch(
      (terminated): OutsideNotice => ({ isWanted: () => wanted, notify, terminated }),
      (settled, terminated) => {
        this.#outside.offer(settled.as(terminated));
      },
    );
    attachWatch(this, target, this.resolve(target), this.#outside.ref, watch);
    return () => {
      wanted = false;
      watch.callOff();
    };
  }

  connectRemote(remote: RemotePort): void {
    this.remote = remote;
  }

  #guarded(what: string, cell: Cell, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.incidents.absorb(what, cell.path, error);
    }
  }
}

/** Whether another node may send this to an actor of that spec: its refs are not capabilities. */
function takesFromOthers({ remoteTypes }: AnySpec, message: unknown): boolean {
  if (remoteTypes === undefined) return true;
  return remoteTypes.includes((message as { readonly type: string }).type);
}
