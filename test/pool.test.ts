/** What the thread pool does when a worker does not come back. Its work in ordinary times is tested through the device (threads.test.ts). */
import test from 'ava';
import { ThreadPool } from '../runtime/devices/cpu/pool.js';
import { webAssembly } from '../runtime/devices/cpu/webassembly.js';
import { words } from '../runtime/devices/cpu/worker-source.js';

test('a thread that takes a chunk and ends is an error, and what follows runs without it', (t) => {
  const memory = new webAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const control = new Int32Array(memory.buffer);
  const pool = new ThreadPool(memory, 0, 2, 50);
  const emptyModule = new webAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const ranges: (readonly [number, number])[] = [];
  let losing = true;
  const kernel = {
    id: 1,
    module: emptyModule,
    run: (_: number, begin: number, end: number) => {
      ranges.push([begin, end]);
      if (!losing) return;
      losing = false;
      // What a worker does before it ends.
      Atomics.add(control, words.active, 1);
      Atomics.add(control, words.next, 1);
    },
  };
  t.throws(() => pool.run(kernel, 0, 80, 10), {
    code: 'DEVICE_LOST',
    message: /has not finished its part of a kernel for 0\.05 s/,
  });
  t.is(ranges.length, 7);
  ranges.length = 0;
  pool.run(kernel, 0, 80, 10);
  t.deepEqual(ranges, [[0, 80]]);
});
