/**
 * Runs before and after the tests. After them it prints what the short run left out and how to run it, from the notes that tests made
 * (test/support/left-out.ts); before them, with --forget, it removes notes of a run that failed or was stopped.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './install.mjs';

const notes = join(root, 'dist', 'test', 'left-out.jsonl');

function leftOut() {
  const totals = new Map();
  const lines = existsSync(notes) ? readFileSync(notes, 'utf8').trimEnd().split('\n') : [];
  for (const { what, count, command } of lines.map((line) => JSON.parse(line))) {
    const commands = totals.get(command) ?? new Map();
    totals.set(command, commands.set(what, (commands.get(what) ?? 0) + count));
  }
  return totals;
}

if (!process.argv.includes('--forget')) {
  const totals = leftOut();
  if (totals.size > 0) console.log('Not in this run:');
  for (const [command, counts] of totals)
    for (const [what, count] of counts) console.log(`  ${count.toLocaleString('en')} ${what}: ${command}`);
}
rmSync(notes, { force: true });
