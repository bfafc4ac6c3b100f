/** Kernels that were compiled before, for each tier: fused ones by structure and variant, kernel functions by dtypes. */
import type { FusedKernel } from '../kernels/fused.js';
import type { Kernel } from '../kernels/ir.js';
import { type Binding, bind, type Launch } from '../kernels/lower/bind.js';
import { lowerFused } from '../kernels/lower/fused.js';
import type { Dimension } from '../kernels/lower/space.js';
import type { Shape } from '../kernels/op.js';
import { specialise } from '../kernels/specialise.js';
import type { CompiledKernel, Device, Tier, Work } from './devices/device.js';
import type { Dtype } from './dtype.js';
import { sizeOf } from './layout.js';

/** What was compiled by each tier, under keys of its maker. */
const fusedKernels = new WeakMap<Tier, Map<string, CompiledKernel>>();

export function compiledFused(
  tier: Tier,
  { kernel, variant }: { kernel: FusedKernel; variant: Launch['variant'] },
): CompiledKernel {
  const cache = entry(fusedKernels, tier, () => new Map<string, CompiledKernel>());
  return entry(cache, `${kernel.key}${JSON.stringify(variant)}`, () => tier.compile(lowerFused(kernel, variant)));
}

/** The binding of a fused kernel over an iteration space of that shape, for whoever compiles what only moves elements. */
export function boundFused(device: Device, kernel: FusedKernel, dimensions: readonly Dimension[], shape: Shape): Binding {
  const { dtype } = kernel.inputs[0] ?? kernel.outputs[0]!;
  const { target } = device.tier({ kind: 'map', dtype, size: sizeOf(shape) });
  return bind(kernel, dimensions, device.machine, target.vectorBytes);
}

/** What a launch of a fused kernel over that iteration space is, for the choice of a tier. */
export function fusedWork({ kernel, variant: { form } }: Launch, shape: Shape): Work {
  const { dtype } = kernel.inputs[0] ?? kernel.outputs[0]!;
  return { kind: form === 'row' || form === 'column' ? form : 'map', dtype, size: sizeOf(shape) };
}

const functionKernels = new WeakMap<Tier, Map<Kernel, Map<string, CompiledKernel>>>();

/** A kernel function for concrete dtypes. */
export function compiledFunction(tier: Tier, kernel: Kernel, bindings: Readonly<Record<string, Dtype>>): CompiledKernel {
  const kernels = entry(functionKernels, tier, () => new Map<Kernel, Map<string, CompiledKernel>>());
  const variants = entry(kernels, kernel, () => new Map<string, CompiledKernel>());
  return entry(variants, JSON.stringify(bindings), () => tier.compile(specialise(kernel, bindings, tier.target.groups)));
}

interface Table<Key, Value> {
  get(key: Key): Value | undefined;
  set(key: Key, value: Value): unknown;
}

function entry<Key, Value>(table: Table<Key, Value>, key: Key, make: () => Value): Value {
  let value = table.get(key);
  if (value === undefined) {
    value = make();
    table.set(key, value);
  }
  return value;
}
