/**
 * ONNX models from a list of nodes, encoded as protocol buffers by hand: the few messages of onnx.proto3 that a graph of standard
 * operators needs. Field numbers are those of that file.
 */

/** Integers unless said otherwise. */
export type OnnxAttribute = number | readonly number[] | string | { readonly float: number };

export interface OnnxNode {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxGraph<Name extends string = string> {
  readonly nodes: readonly OnnxNode[];
  readonly output: string;
  /** Inputs that a model holds as weights: the runtime may arrange them beforehand. */
  readonly weights?: readonly Name[];
  /** Small tensors of integers that operators take as arguments. */
  readonly constants?: Readonly<Record<string, readonly number[]>>;
  readonly outputDtype?: OnnxDtype;
}

export type OnnxDtype = 'float32' | 'int32' | 'int64';

export interface OnnxTensor {
  readonly name: string;
  readonly dtype: OnnxDtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

const operatorSet = 20;
const formatVersion = 9;
const dtypeCodes: Readonly<Record<OnnxDtype, number>> = { float32: 1, int32: 6, int64: 7 };

/** The model as bytes. Tensors named in `graph.weights` are stored in it, the others are its inputs. */
export function encodeOnnxModel(graph: OnnxGraph, tensors: readonly OnnxTensor[]): Uint8Array {
  const isWeight = ({ name }: OnnxTensor) => graph.weights?.includes(name) === true;
  const constants = Object.entries(graph.constants ?? {}).map(([name, values]): OnnxTensor => {
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return { name, dtype: 'int64', shape: [values.length], bytes };
  });
  const body = join([
    ...graph.nodes.map((node) => message(1, encodeNode(node))),
    text(2, 'bench'),
    ...[...tensors.filter(isWeight), ...constants].map((tensor) => message(5, encodeTensor(tensor))),
    ...tensors
      .filter((tensor) => !isWeight(tensor))
      .map(({ name, dtype, shape }) => message(11, encodeValue(name, dtype, shape))),
    message(12, encodeValue(graph.output, graph.outputDtype ?? 'float32')),
  ]);
  return join([integer(1, formatVersion), message(7, body), message(8, integer(2, operatorSet))]);
}

function encodeNode({ type, inputs, outputs, attributes = {} }: OnnxNode): Uint8Array {
  return join([
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, type),
    ...Object.entries(attributes).map(([name, value]) => message(5, join([text(1, name), encodeAttribute(value)]))),
  ]);
}

function encodeAttribute(value: OnnxAttribute): Uint8Array {
  if (typeof value === 'number') return join([integer(3, value), integer(20, 2)]);
  if (typeof value === 'string') return join([text(4, value), integer(20, 3)]);
  if ('float' in value) return join([key(2, 5), new Uint8Array(Float32Array.of(value.float).buffer), integer(20, 1)]);
  return join([...value.map((one) => integer(8, one)), integer(20, 7)]);
}

function encodeTensor({ name, dtype, shape, bytes }: OnnxTensor): Uint8Array {
  return join([...shape.map((size) => integer(1, size)), integer(2, dtypeCodes[dtype]), text(8, name), message(9, bytes)]);
}

function encodeValue(name: string, dtype: OnnxDtype, shape?: readonly number[]): Uint8Array {
  const dimensions = shape === undefined ? [] : [message(2, join(shape.map((size) => message(1, integer(1, size)))))];
  const type = message(1, join([integer(1, dtypeCodes[dtype]), ...dimensions]));
  return join([text(1, name), message(2, type)]);
}

// ---- Protocol buffers: a key, then a varint (wire type 0), four bytes (5) or a length and bytes (2)

const key = (field: number, wireType: number): Uint8Array => varint(BigInt((field << 3) | wireType));
const integer = (field: number, value: number): Uint8Array => join([key(field, 0), varint(BigInt.asUintN(64, BigInt(value)))]);
const message = (field: number, bytes: Uint8Array): Uint8Array => join([key(field, 2), varint(BigInt(bytes.length)), bytes]);
const text = (field: number, value: string): Uint8Array => message(field, new TextEncoder().encode(value));

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const join = (parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
