/** What happened in the fleet, for people: an event a line, or an instance's or worker's story. */

import type {
  FleetEvent,
  RecordedEvent,
  SubjectExplanation,
} from '../../actors/domain/fleet-event.ts';
import type { SubscribedEvent } from '../../client/index.ts';

export function eventLine(recorded: SubscribedEvent): string {
  return `${recorded.at.slice(11, 23)}  ${eventText(recorded.event)}`;
}

function eventText(event: FleetEvent): string {
  switch (event.kind) {
    case 'worker': {
      const why = (event.why ?? '') === '' ? '' : `: ${event.why ?? ''}`;
      return `worker     ${event.worker} ${event.change}${why}`;
    }
    case 'instance': {
      const from = event.from ?? 'new';
      return `instance   ${event.instance}: ${from} → ${event.to}`;
    }
    case 'selection': {
      const where = event.instance ?? event.worker ?? 'nowhere';
      const what = `${event.variant ?? 'none'} on ${where}`;
      return `selection  ${event.queryId} → ${what}: ${event.reason}`;
    }
    case 'decision': {
      const { kind, by, chosen, why } = event.decision;
      return `${kind.padEnd(10)} ${by}: ${chosen}; ${why}`;
    }
  }
}

export function subjectText({ subject, events }: SubjectExplanation): string {
  if (events.length === 0) {
    return (
      `nothing is kept of ${subject.kind} ${subject.name}: it is unknown here, or what ` +
      'happened to it is longer ago than records.eventsMax events'
    );
  }
  const first = events[0]?.atMs ?? 0;
  const lines = events.flatMap((recorded) => linesOf(recorded, first));
  return [`${subject.kind} ${subject.name}; seconds since the first event`, ...lines].join('\n');
}

function linesOf({ atMs, event }: RecordedEvent, firstMs: number): readonly string[] {
  const at = ((atMs - firstMs) / 1_000).toFixed(1).padStart(8);
  const lines = [`${at}  ${eventText(event)}`];
  if (event.kind !== 'decision') return lines;
  const { seen, rejected } = event.decision;
  const figures = Object.entries(seen).map(([name, value]) => `${name} ${figure(value)}`);
  if (figures.length > 0) lines.push(`${' '.repeat(21)}seen: ${figures.join(', ')}`);
  for (const { what, why } of rejected) {
    lines.push(`${' '.repeat(21)}not ${what}: ${why}`);
  }
  return lines;
}

function figure(value: number | string): string {
  return typeof value === 'number' ? String(Math.round(value * 1_000) / 1_000) : value;
}
