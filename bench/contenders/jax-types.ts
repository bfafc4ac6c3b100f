/** The part of @jax-js/jax that the cases use; it is installed on demand, so its own types are not at hand. */

export interface JaxArray {
  /** The same array once more: functions use their arguments up. */
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  blockUntilReady(): Promise<JaxArray>;
  data(): Promise<Float32Array | Int32Array>;
  dispose(): void;
}

type Unary = (x: JaxArray) => JaxArray;
type Binary = (a: JaxArray, b: JaxArray | number) => JaxArray;
type AlongAxis = (x: JaxArray, axis?: number) => JaxArray;
type Window = readonly [number, number];

export interface JaxLibrary {
  init(...devices: string[]): Promise<readonly string[]>;
  defaultDevice(name: string): void;
  jit(compute: (...inputs: JaxArray[]) => JaxArray): (...inputs: JaxArray[]) => JaxArray;
  readonly numpy: {
    array(values: Float32Array | Int32Array, options?: { shape?: readonly number[]; dtype?: string }): JaxArray;
    add: Binary;
    multiply: Binary;
    exp: Unary;
    sum: AlongAxis;
    argmax: AlongAxis;
    cumsum: AlongAxis;
    sort: AlongAxis;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    transpose(x: JaxArray, permutation: readonly number[]): JaxArray;
    take(x: JaxArray, indices: JaxArray, axis: number): JaxArray;
  };
  readonly nn: {
    relu: Unary;
    gelu(x: JaxArray, options: { approximate: boolean }): JaxArray;
    softmax: AlongAxis;
    standardize: AlongAxis;
  };
  readonly lax: {
    convGeneralDilated(
      x: JaxArray,
      kernel: JaxArray,
      strides: Window,
      padding: readonly [Window, Window],
      options?: { featureGroupCount?: number },
    ): JaxArray;
  };
}
