/** Parsers of option values: a value that cannot be meant is a usage error that says what can. */

import { InvalidArgumentError } from 'commander';

import { nearestName } from '../../actors/domain/nearest-name.ts';
import { isNodeId } from '../../runtime/wire/subjects.ts';

interface Bounds {
  readonly least?: number;
  readonly most?: number;
  readonly whole?: boolean;
  /** `least` itself is out. */
  readonly above?: boolean;
}

function numberWithin(bounds: Bounds): (text: string) => number {
  const { least = -Infinity, most = Infinity, whole = false, above = false } = bounds;
  return (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    const low = above ? value > least : value >= least;
    if (Number.isFinite(value) && low && value <= most && (!whole || Number.isInteger(value))) {
      return value;
    }
    throw new InvalidArgumentError(`Expected ${describeBounds(bounds)}.`);
  };
}

function describeBounds({ least, most, whole = false, above = false }: Bounds): string {
  const kind = whole ? 'a whole number' : 'a number';
  if (least !== undefined && most !== undefined) {
    return `${kind} from ${String(least)} to ${String(most)}`;
  }
  if (least === undefined) return kind;
  return `${kind} ${above ? 'greater than' : 'of at least'} ${String(least)}`;
}

export const parsePort = numberWithin({ least: 0, most: 65_535, whole: true });
export const parsePercent = numberWithin({ least: 0, most: 100 });
export const parsePositive = numberWithin({ least: 0, above: true });
export const parseCount = numberWithin({ least: 1, whole: true });
export const parseRow = numberWithin({ least: 0, whole: true });
export const parseSeed = numberWithin({ least: 0, most: 2 ** 32 - 1, whole: true });
export const parsePriority = numberWithin({ least: 0, most: 9, whole: true });

/** For an option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** A node's name is part of a subject on the bus; one of them belongs to the controller. */
export function parseNodeName(text: string): string {
  if (!isNodeId(text)) {
    throw new InvalidArgumentError('Expected letters, digits, "-" and "_", at most 64.');
  }
  if (text === 'controller') throw new InvalidArgumentError("That is the controller's own name.");
  return text;
}

export function parseNatsUrl(text: string): string {
  if (isNatsUrl(text)) return text;
  throw new InvalidArgumentError('Expected a NATS URL like nats://127.0.0.1:4222.');
}

const busWords = ['auto', 'embedded'];

export function parseBus(text: string): string {
  if (busWords.includes(text) || isNatsUrl(text)) return text;
  const nearest = nearestName(text, busWords);
  const meant = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  throw new InvalidArgumentError(
    `Expected auto, embedded, or a NATS URL like nats://127.0.0.1:4222.${meant}`,
  );
}

/** One or several, as NATS takes them: `nats://a:4222,nats://b:4222`. */
function isNatsUrl(text: string): boolean {
  return text.split(',').every((url) => /^(nats|tls):\/\/[^\s/]+/.test(url.trim()));
}

export function parseSystemUrl(text: string): string {
  if (/^wss?:\/\/[^\s/]+/.test(text)) return text;
  const hint = isNatsUrl(text) ? ' Give a NATS URL with --nats.' : '';
  throw new InvalidArgumentError(`Expected a URL like ws://127.0.0.1:8080.${hint}`);
}
