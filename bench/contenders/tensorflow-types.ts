/** The part of TensorFlow.js that the cases use; its packages are installed on demand, so their own types are not at hand. */

export interface TensorFlowTensor {
  readonly dtype: string;
  dataSync(): Float32Array | Int32Array;
  dispose(): void;
}

type Unary = (x: TensorFlowTensor) => TensorFlowTensor;
type Binary = (a: TensorFlowTensor, b: TensorFlowTensor | number) => TensorFlowTensor;
type Reduction = (x: TensorFlowTensor, axis?: number | readonly number[], keepDims?: boolean) => TensorFlowTensor;
type Window = readonly [number, number];
type Padding = 'same' | 'valid' | number;

export interface TensorFlow {
  tensor(values: Float32Array | Int32Array, shape: readonly number[], dtype: string): TensorFlowTensor;
  tidy<R>(run: () => R): R;
  setBackend(name: string): Promise<boolean>;
  add: Binary;
  sub: Binary;
  mul: Binary;
  div: Binary;
  exp: Unary;
  erf: Unary;
  relu: Unary;
  rsqrt: Unary;
  square: Unary;
  sum: Reduction;
  mean: Reduction;
  argMax(x: TensorFlowTensor, axis: number): TensorFlowTensor;
  softmax(x: TensorFlowTensor, axis: number): TensorFlowTensor;
  cumsum(x: TensorFlowTensor, axis: number): TensorFlowTensor;
  matMul(a: TensorFlowTensor, b: TensorFlowTensor): TensorFlowTensor;
  transpose(x: TensorFlowTensor, permutation: readonly number[]): TensorFlowTensor;
  reshape(x: TensorFlowTensor, shape: readonly number[]): TensorFlowTensor;
  gather(x: TensorFlowTensor, indices: TensorFlowTensor): TensorFlowTensor;
  scatterND(indices: TensorFlowTensor, updates: TensorFlowTensor, shape: readonly number[]): TensorFlowTensor;
  topk(x: TensorFlowTensor, k: number): { values: TensorFlowTensor; indices: TensorFlowTensor };
  /** NHWC; filters are [height, width, in, out]. */
  conv2d(x: TensorFlowTensor, filter: TensorFlowTensor, strides: Window, padding: Padding): TensorFlowTensor;
  conv2dTranspose(
    x: TensorFlowTensor,
    filter: TensorFlowTensor,
    outputShape: readonly number[],
    strides: Window,
    padding: Padding,
  ): TensorFlowTensor;
  depthwiseConv2d(x: TensorFlowTensor, filter: TensorFlowTensor, strides: Window, padding: Padding): TensorFlowTensor;
  readonly fused: {
    conv2d(options: {
      x: TensorFlowTensor;
      filter: TensorFlowTensor;
      strides: Window;
      pad: Padding;
      bias: TensorFlowTensor;
      activation: 'relu';
    }): TensorFlowTensor;
  };
  maxPool(x: TensorFlowTensor, window: Window, strides: Window, padding: Padding): TensorFlowTensor;
  avgPool(x: TensorFlowTensor, window: Window, strides: Window, padding: Padding): TensorFlowTensor;
}
