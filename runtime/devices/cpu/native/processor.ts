/**
 * What tells processors apart as far as compiled code is concerned: two with the same text run the same instructions. It is read
 * without starting a program.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { arch, cpus, platform } from 'node:os';

export function processorIdentity(): string {
  return [platform(), arch(), describedByLinux() ?? cpus()[0]?.model ?? ''].join('\n');
}

/** The model and the features of the first processor. */
function describedByLinux(): string | undefined {
  const lines = firstBytes('/proc/cpuinfo')
    ?.split('\n\n', 1)[0]
    ?.split('\n')
    .filter((line) =>
      /^(vendor_id|cpu family|model|model name|stepping|flags|Features|CPU implementer|CPU part|isa)\s*:/.test(line),
    );
  return lines?.join('\n') || undefined;
}

/** Enough for one processor: the file is written anew by each read, which takes long where there are hundreds. */
function firstBytes(path: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const buffer = Buffer.alloc(8192);
    return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0));
  } catch {
    return undefined; // Systems other than Linux have no such file.
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
