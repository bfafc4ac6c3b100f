/** Faults in the CUDA device: its memory, its copies, the words of its errors, what it launches and keeps. */
import type { Plan } from '../mutant.js';
import type { PickedFaults } from '../picked.js';

const books = 'wrong bookkeeping of a call';
const overrun = 'overrun';
const barrier = 'missing barrier';
const parameter = 'wrong parameter of a kernel';
const off = 'off-by-one loop bound or vector tail';

const device: Plan = { ops: [], suites: ['cuda-device'] };
const api: Plan = { ops: [], suites: ['cuda-api'] };
const absent: Plan = { ops: [], suites: ['cuda-absent'] };

export const cudaDevice: readonly PickedFaults[] = [
  {
    file: 'runtime/devices/cuda/blocks',
    plan: device,
    faults: [
      [overrun, 'bytes: block.bytes - bytes,', 'bytes: block.bytes,'],
      [overrun, 'address: address + bytes,', 'address,'],
      [books, 'merged = join(before, block);', 'merged = block;'],
      [books, 'merged = join(merged, after);', ''],
      [books, 'block.free = true;', ''],
      [books, 'left.after = right.after;', ''],
      [overrun, 'if (block.bytes >= bytes)', 'if (true)'],
      [books, 'block.before === null && block.after === null', 'true'],
    ],
  },
  {
    file: 'runtime/devices/cuda/allocator',
    plan: device,
    faults: [
      [books, 'entry.pool.release(entry.block);', ''],
      [books, 'this.dropPool();', ''],
      [books, 'this.allocated -= entry.block.bytes;', ''],
    ],
  },
  {
    file: 'runtime/devices/cuda/staging',
    plan: device,
    faults: [
      [barrier, "gpu.driver.check('cuEventSynchronize', gpu.use().cuEventSynchronize(next.event));", ''],
      [books, 'to + done, chunk.address', 'to, chunk.address'],
      [books, 'this.used += Math.ceil(count / alignment) * alignment;', ''],
      [barrier, 'await happened(gpu, buffer.event);', ''],
      [books, 'this.giveBack(buffer);', ''],
    ],
  },
  {
    file: 'runtime/devices/cuda/error-words',
    plan: device,
    faults: [
      [books, 'if (this.launches.length === words)', 'if (false)'],
      [books, 'this.clear(codes.length);', ''],
      [books, '(this.launches.length - 1) * 4', '0'],
      [books, 'launches.length = 0;', ''],
    ],
  },
  {
    file: 'runtime/devices/cuda/params',
    plan: device,
    faults: [
      [parameter, 'this.setI32(this.range + 4, end);', 'this.setI32(this.range + 4, 1);'],
      [parameter, 'Math.floor(address / 2 ** 32)', '0'],
    ],
  },
  {
    file: 'runtime/devices/cuda/launch-shape',
    plan: device,
    faults: [[off, 'Math.ceil(work / threads)', '0']],
  },
  {
    file: 'runtime/devices/cuda/device',
    plan: device,
    faults: [
      [books, 'params.setPointer(errorWord, this.errors.place(kernel.kernel.name, this.op));', ''],
      [books, 'this.op = op;', ''],
    ],
  },
  {
    file: 'runtime/devices/cuda/tier',
    plan: device,
    faults: [
      [books, 'kernelCache().discard(path);', ''],
      [books, 'this.modules.get(contents) ?? ', ''],
    ],
  },
  {
    file: 'runtime/devices/cuda/nvrtc',
    plan: absent,
    faults: [
      [books, 'this.version.major > driver.major', 'false'],
      [books, 'oldest > computeCapability', 'false'],
      [books, 'number <= computeCapability', 'true', device],
    ],
  },
  {
    file: 'runtime/devices/cuda/gpu',
    plan: api,
    faults: [
      [books, 'if (driver.current !== context)', 'if (driver.current === 0)'],
      [books, 'if (index < count)', 'if (true)'],
    ],
  },
  {
    file: 'runtime/move',
    plan: api,
    faults: [
      [books, 'recordMove(x, result, (gradient) => moveTo(gradient, source));', ''],
      [books, 'moveTo(gradient, source)', 'aliasOf(gradient)'],
      [books, 'if (x.layout.contiguous)', 'if (true)'],
      [books, 'contiguous.dispose();', ''],
    ],
  },
];
