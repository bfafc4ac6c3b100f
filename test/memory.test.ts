/** What is freed, when, and what stays. */
import test from 'ava';
import { tensor } from '../runtime/create.js';
import { getDevice } from '../runtime/devices/registry.js';
import { OpwrightError } from '../runtime/errors.js';
import { stridedLayout } from '../runtime/layout.js';
import { dispose, keep, memory, tidy } from '../runtime/memory.js';
import { emptyTensor, Tensor } from '../runtime/tensor.js';

const cpu = getDevice('cpu');
const make = () => tensor([1, 2, 3]);

test.serial('tidy frees what it does not return', (t) => {
  const before = memory().storages;
  const kept = tidy(() => {
    make();
    const result = make();
    make();
    return { nested: [result], also: new Map([['x', make()]]) };
  });
  t.is(memory().storages, before + 2);
  dispose(kept);
  t.is(memory().storages, before);
});

test.serial('an inner tidy hands its result to the outer one', (t) => {
  const before = memory().storages;
  tidy(() => {
    const inner = tidy(() => [make(), make()]);
    t.is(memory().storages, before + 2);
    t.false(inner[0]?.isDisposed);
  });
  t.is(memory().storages, before);
});

test.serial('kept tensors outlive every scope', (t) => {
  let kept: Tensor | undefined;
  tidy(() => {
    tidy(() => {
      kept = keep(make());
    });
  });
  t.false(kept?.isDisposed);
  dispose(kept);
});

test.serial('a tidy whose function throws frees everything and lets the error through', (t) => {
  const before = memory().storages;
  t.throws(
    () =>
      tidy(() => {
        make();
        throw new RangeError('no');
      }),
    { instanceOf: RangeError },
  );
  t.is(memory().storages, before);
  const after = make();
  t.false(after.isDisposed, 'the scope is closed');
  after.dispose();
});

test.serial('an asynchronous tidy is an error', (t) => {
  const before = memory().storages;
  const error = t.throws(() => tidy(async () => make()), { instanceOf: OpwrightError });
  t.is(error?.code, 'TIDY_ASYNC');
  t.is(memory().storages, before);
});

test.serial('views keep a storage alive until the last is gone', (t) => {
  const before = cpu.memory().allocations;
  const x = make();
  const tail = new Tensor(x.storage, stridedLayout([2], [1], 1), x.dtype);
  x.dispose();
  t.is(cpu.memory().allocations, before + 1);
  tail.dispose();
  t.is(cpu.memory().allocations, before);
});

test.serial('whoever retains a storage keeps it', (t) => {
  const x = make();
  x.storage.retain();
  x.dispose();
  t.false(x.storage.isFreed);
  x.storage.release();
  t.true(x.storage.isFreed);
});

test.serial('a loop that awaits its reads needs no tidy', async (t) => {
  const before = memory();
  let most = 0;
  for (let step = 0; step < 400; step++) {
    for (let made = 0; made < 250; made++) emptyTensor(cpu, [made % 7, 100], 'float32');
    await tensor([step]).data();
    most = Math.max(most, memory().storages - before.storages);
  }
  t.true(most < 80_000, `${most} of 100400 tensors were alive at once`);
});

test.serial('large tensors are reclaimed by bytes, long before there are many', async (t) => {
  const before = memory().bytes;
  let most = 0;
  for (let step = 0; step < 300; step++) {
    const x = emptyTensor(cpu, [1 << 20], 'float32');
    await x.data();
    most = Math.max(most, memory().bytes - before);
  }
  t.true(most < 256 << 20, `${most} bytes were alive at once`);
});

test.serial('what is reachable is never reclaimed', async (t) => {
  const kept = Array.from({ length: 100 }, (_, index) => tensor([index, index + 1]));
  for (let step = 0; step < 100; step++) {
    const x = emptyTensor(cpu, [1 << 20], 'float32');
    await x.data();
  }
  for (const [index, x] of kept.entries()) t.deepEqual(x.tolist(), [index, index + 1]);
  dispose(kept);
});
