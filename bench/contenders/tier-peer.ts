/** The process behind tier.ts: our own contender, told what to do over lines of JSON. The tier comes from the environment. */
import { createInterface } from 'node:readline';
import { createInputs } from '../case.js';
import { cases } from '../cases/index.js';
import { tierCases } from '../tier-cases.js';
import type { Prepared } from './contender.js';
import { openOurs } from './ours.js';

type Request = { command: 'prepare'; name: string } | { command: 'time'; calls: number } | { command: 'release' };

const ours = openOurs('');
let prepared: Prepared | null = null;

async function answer(request: Request): Promise<object> {
  switch (request.command) {
    case 'prepare': {
      const found = [...cases, ...tierCases].find(({ name }) => name === request.name);
      if (found === undefined) throw new Error(`there is no case ${request.name}`);
      prepared = await ours.prepare(found, createInputs(found.inputs));
      return { fingerprint: (await prepared?.result()) ?? null };
    }
    case 'time':
      return { ms: await prepared?.time(request.calls) };
    case 'release':
      await prepared?.release();
      return {};
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  } catch (error) {
    console.log(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
  }
}
process.exit();
