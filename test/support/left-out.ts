/**
 * What a short run leaves out, noted by the tests that leave it out and told by scripts/left-out.mjs when `npm test` ends: ava prints logs
 * where they arise, far above the end of a run.
 */
import { appendFileSync } from 'node:fs';

export interface LeftOut {
  /** In the plural: `random programs`. */
  readonly what: string;
  readonly count: number;
  /** What runs it. */
  readonly command: string;
}

/** A line of JSON for each; test processes append to it side by side. */
const notes = 'dist/test/left-out.jsonl';

export function noteLeftOut(note: LeftOut): void {
  if (note.count > 0) appendFileSync(notes, `${JSON.stringify(note)}\n`);
}
