/** The logging port over pino: structured lines on stderr, quiet (`warn`) unless told otherwise. */

import pino from 'pino';

import type { Logger } from '../../runtime/log.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** `name` is the node's. Synchronous, so that the last line before an exit is not lost. */
export function createLogger(name: string, level: LogLevel): Logger {
  return wrap(pino({ name, level }, pino.destination({ dest: 2, sync: true })));
}

function wrap(logger: pino.Logger): Logger {
  return {
    debug: (message, fields) => {
      logger.debug(fields ?? {}, message);
    },
    info: (message, fields) => {
      logger.info(fields ?? {}, message);
    },
    warn: (message, fields) => {
      logger.warn(fields ?? {}, message);
    },
    error: (message, fields) => {
      logger.error(fields ?? {}, message);
    },
    child: (fields) => wrap(logger.child(fields)),
  };
}
