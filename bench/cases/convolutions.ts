/**
 * Convolutions and pools, NCHW. TensorFlow.js has NHWC alone: its operands are brought into that order before the clock starts, and its
 * results stay in it.
 */
import { avgPool2d, conv2d, grad, maxPool2d, relu, tidy } from '../../entry/index.js';
import { benchCase, type Case, type Group } from '../case.js';
import type { OnnxAttribute } from '../contenders/onnx-model.js';

interface Geometry {
  /** [batch, channels, height, width] */
  readonly x: readonly [number, number, number, number];
  /** [channels out, channels in / groups, height, width] */
  readonly weight: readonly [number, number, number, number];
  readonly stride?: number;
  readonly padding?: number;
  readonly groups?: number;
}

const image = [8, 64, 56, 56] as const;
const threeByThree: Geometry = { x: image, weight: [64, 64, 3, 3], padding: 1 };
const toNhwc = [0, 2, 3, 1] as const;
const toHwio = [2, 3, 1, 0] as const;
/** A depthwise filter is [channels, 1, height, width] here and [height, width, channels, 1] there. */
const toHwcm = [2, 3, 0, 1] as const;

export const convolutions = [
  forward('conv 3x3, 8x64x56x56', threeByThree, 'conv3x3'),
  withBiasAndRelu(),
  gradient('x'),
  gradient('weight'),
  forward('conv 1x1, 64 to 256 channels', { x: image, weight: [256, 64, 1, 1] }),
  forward('conv 7x7 stride 2, 1x3x224x224', { x: [1, 3, 224, 224], weight: [64, 3, 7, 7], stride: 2, padding: 3 }),
  forward('conv 5x5 of LeNet, 64x1x28x28', { x: [64, 1, 28, 28], weight: [6, 1, 5, 5] }),
  forward('depthwise conv 3x3, 8x64x56x56', { x: image, weight: [64, 1, 3, 3], padding: 1, groups: 64 }),
  ...pools(),
];

function forward(name: string, geometry: Geometry, group: Group = 'other'): Case {
  const { x, weight, stride = 1, padding = 0, groups = 1 } = geometry;
  return benchCase({
    name,
    group,
    inputs: { x: { shape: x }, weight: { shape: weight } },
    work: { operations: operationsOf(geometry) },
    ours: (inputs) => () => conv2d(inputs.x, inputs.weight, { stride, padding, groups }),
    torch: `F.conv2d(x, weight, None, ${stride}, ${padding}, 1, ${groups})`,
    onnx: {
      nodes: [{ type: 'Conv', inputs: ['x', 'weight'], outputs: ['out'], attributes: onnxAttributes(geometry) }],
      output: 'out',
      weights: ['weight'],
    },
    tensorflow: (tf, inputs) => {
      const input = tf.transpose(inputs.x, toNhwc);
      const filter = tf.transpose(inputs.weight, groups === 1 ? toHwio : toHwcm);
      const convolve = groups === 1 ? tf.conv2d : tf.depthwiseConv2d;
      return () => convolve(input, filter, [stride, stride], padding);
    },
    jax: ({ lax }, inputs) => {
      const around = [padding, padding] as const;
      return lax.convGeneralDilated(inputs.x, inputs.weight, [stride, stride], [around, around], { featureGroupCount: groups });
    },
  });
}

function withBiasAndRelu(): Case {
  const { x, weight, padding = 0 } = threeByThree;
  return benchCase({
    name: 'conv 3x3 with bias, then relu',
    inputs: { x: { shape: x }, weight: { shape: weight }, bias: { shape: [weight[0]] } },
    work: { operations: operationsOf(threeByThree) },
    ours: (inputs) => () => tidy(() => relu(conv2d(inputs.x, inputs.weight, { bias: inputs.bias, padding }))),
    torch: `F.relu(F.conv2d(x, weight, bias, 1, ${padding}))`,
    onnx: {
      nodes: [
        { type: 'Conv', inputs: ['x', 'weight', 'bias'], outputs: ['sum'], attributes: onnxAttributes(threeByThree) },
        { type: 'Relu', inputs: ['sum'], outputs: ['out'] },
      ],
      output: 'out',
      weights: ['weight', 'bias'],
    },
    tensorflow: (tf, inputs) => {
      const options = { strides: [1, 1], pad: padding, activation: 'relu' } as const;
      const input = tf.transpose(inputs.x, toNhwc);
      const filter = tf.transpose(inputs.weight, toHwio);
      return () => tf.fused.conv2d({ x: input, filter, bias: inputs.bias, ...options });
    },
  });
}

/** The gradient of the 3x3 convolution for one of its operands, alone: the forward call is recorded once. */
function gradient(operand: 'x' | 'weight'): Case {
  const { x, weight, padding = 0 } = threeByThree;
  const isInput = operand === 'x';
  const mask = isInput ? '[True, False, False]' : '[False, True, False]';
  const around = `[${padding}, ${padding}]`;
  return benchCase({
    name: `its gradient for the ${isInput ? 'input' : 'weight'}`,
    inputs: { x: { shape: x }, weight: { shape: weight }, dout: { shape: [x[0], weight[0], x[2], x[3]] } },
    work: { operations: operationsOf(threeByThree) },
    ours(inputs) {
      inputs[operand].stopGradient = false;
      const out = conv2d(inputs.x, inputs.weight, { padding });
      return () => grad(out, inputs[operand], { gradOutputs: [inputs.dout], retainGraph: true })[0] ?? undefined;
    },
    torch: `torch.ops.aten.convolution_backward(dout, x, weight, None, [1, 1], ${around}, [1, 1], False, [0, 0], 1, ${mask})[${isInput ? 0 : 1}]`,
    tensorflow: isInput
      ? (tf, inputs) => {
          const incoming = tf.transpose(inputs.dout, toNhwc);
          const filter = tf.transpose(inputs.weight, toHwio);
          return () => tf.conv2dTranspose(incoming, filter, [x[0], x[2], x[3], x[1]], [1, 1], padding);
        }
      : undefined,
  });
}

function pools(): Case[] {
  const [batch, channels, height, width] = image;
  const bytes = 4 * batch * channels * height * width;
  return [
    benchCase({
      name: 'max pool 2x2, 8x64x56x56',
      inputs: { x: { shape: image } },
      work: { bytes: 1.25 * bytes },
      ours:
        ({ x }) =>
        () =>
          maxPool2d(x, 2),
      torch: 'F.max_pool2d(x, 2)',
      onnx: {
        nodes: [{ type: 'MaxPool', inputs: ['x'], outputs: ['out'], attributes: { kernel_shape: [2, 2], strides: [2, 2] } }],
        output: 'out',
      },
      tensorflow: (tf, { x }) => {
        const input = tf.transpose(x, toNhwc);
        return () => tf.maxPool(input, [2, 2], [2, 2], 'valid');
      },
    }),
    benchCase({
      name: 'average pool 3x3 stride 2, 8x64x56x56',
      inputs: { x: { shape: image } },
      work: { bytes: 1.25 * bytes },
      ours:
        ({ x }) =>
        () =>
          avgPool2d(x, 3, { stride: 2 }),
      torch: 'F.avg_pool2d(x, 3, 2)',
      onnx: {
        nodes: [{ type: 'AveragePool', inputs: ['x'], outputs: ['out'], attributes: { kernel_shape: [3, 3], strides: [2, 2] } }],
        output: 'out',
      },
      tensorflow: (tf, { x }) => {
        const input = tf.transpose(x, toNhwc);
        return () => tf.avgPool(input, [3, 3], [2, 2], 'valid');
      },
    }),
  ];
}

function operationsOf({ x, weight, stride = 1, padding = 0 }: Geometry): number {
  const [outChannels, inChannels, kernelHeight, kernelWidth] = weight;
  const along = (size: number, kernel: number) => Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const places = x[0] * along(x[2], kernelHeight) * along(x[3], kernelWidth);
  return 2 * places * outChannels * inChannels * kernelHeight * kernelWidth;
}

function onnxAttributes({ stride = 1, padding = 0, groups = 1 }: Geometry): Record<string, OnnxAttribute> {
  return { strides: [stride, stride], pads: [padding, padding, padding, padding], group: groups };
}
