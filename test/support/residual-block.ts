/**
 * A residual block of a ResNet, forward and backward, against PyTorch (test/golden/residual_block.py): strided and padded convolutions
 * with and without a bias, batch normalization, activations and a shortcut, whose gradients meet in the input.
 */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { batchNorm, conv2d, grad, ones, relu, type Tensor, tensor, zeros } from '../../entry/index.js';
import type { TierName } from '../../runtime/devices/device.js';
import { randomValues } from './samples.js';

interface Golden {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly out: readonly number[];
  readonly grads: Readonly<Record<string, readonly number[]>>;
}

export function testResidualBlock(tier: TierName): void {
  // Read when the device opens, which is at the first tensor.
  process.env.OPWRIGHT_TIER = tier;
  test(`a residual block and its gradients are those of PyTorch, in ${tier}`, (t) => {
    const golden: Golden = JSON.parse(readFileSync('test/golden/models/residual-block.json', 'utf8'));
    const drawn = (name: string, shape: readonly number[], fill: 'unit' | 'normal') =>
      tensor(Float32Array.from(randomValues(`residualBlock/${name}/0`, shape, 'float32', fill)), { stopGradient: false }).reshape(
        shape,
      );
    const inputs = Object.fromEntries(Object.entries(golden.inputs).map(([name, shape]) => [name, drawn(name, shape, 'unit')]));
    const of = (name: string): Tensor => inputs[name]!;
    const normalized = (x: Tensor, which: 1 | 2): Tensor => {
      const [weight, bias] = [of(`scale${which}`), of(`shift${which}`)];
      return batchNorm(x, zeros([8]), ones([8]), { weight, bias, training: true });
    };
    const inner = relu(normalized(conv2d(of('x'), of('weight1'), { stride: 2, padding: 1 }), 1));
    const branch = normalized(conv2d(inner, of('weight2'), { bias: of('bias2'), padding: 1 }), 2);
    const out = relu(branch.add(conv2d(of('x'), of('shortcut'), { stride: 2 })));
    const close = (got: Tensor, expected: readonly number[], what: string): void => {
      const values = Array.from(got.dataSync(), Number);
      const worst = expected.reduce(
        (most, value, at) => Math.max(most, Math.abs(values[at]! - value) / (1 + Math.abs(value))),
        0,
      );
      t.is(values.length, expected.length, what);
      t.true(worst < 2e-5, `${what} is off by ${worst}`);
    };
    close(out, golden.out, 'the result');
    const names = Object.keys(inputs);
    const gradients = grad(out, names.map(of), { gradOutputs: [drawn('dout', out.shape, 'normal')] });
    for (const [at, name] of names.entries()) close(gradients[at]!, golden.grads[name]!, `the gradient of ${name}`);
  });
}
