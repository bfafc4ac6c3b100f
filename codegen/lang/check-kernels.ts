/**
 * Whether the kernels that entries name exist and fit: map operations, kernel functions with the parameters and buffers that an entry gives them,
 * kernels in index notation, library kernels. It sees compiled kernels; what their bodies do is not looked at.
 */
import type { Kernel } from '../../kernels/ir.js';
import { mapOperations } from '../../kernels/map-operations.js';
import { libraryReferences } from '../../kernels/reference-library.js';
import { type Diagnostic, DiagnosticError, diagnosticAt, didYouMean } from '../spec/diagnostic.js';
import type { KernelFunction, Op, SpecModel, Word } from '../spec/model.js';
import type { KernelFunctions } from './definitions.js';
import { compileIndexKernel } from './index-kernel.js';

export function kernelDiagnostics({ ops }: SpecModel, functions: KernelFunctions): readonly Diagnostic[] {
  return [...ops.values()].flatMap((op) => opDiagnostics(op, functions));
}

function opDiagnostics(op: Op, functions: KernelFunctions): readonly Diagnostic[] {
  const { body } = op;
  if (body.kind === 'index') return indexDiagnostics(op);
  if (body.kind === 'map') return mapDiagnostics(op, { name: body.map, span: body.span });
  if (body.kind === 'library') {
    const names = Object.keys(libraryReferences);
    return names.includes(body.library) ? [] : [unknown('library kernel', { name: body.library, span: body.span }, names)];
  }
  if (body.kind !== 'function') return [];
  const kernel = functions.get(body.function);
  if (kernel === undefined) return [unknown('kernel function', { name: body.function, span: body.span }, functions.keys())];
  return [...parameterDiagnostics(body, kernel), ...bufferDiagnostics(op, body, kernel)];
}

function mapDiagnostics(op: Op, word: Word): readonly Diagnostic[] {
  const arity = mapOperations[word.name]?.arity;
  if (arity === undefined) return [unknown('map operation', word, Object.keys(mapOperations))];
  if (arity === op.inputs.length) return [];
  const message = `${word.name} is a function of ${arity} inputs, but ${op.name} has ${op.inputs.length}`;
  return [diagnosticAt('KERNEL_PARAMETER', message, word.span)];
}

function indexDiagnostics(op: Op): readonly Diagnostic[] {
  try {
    compileIndexKernel(op);
    return [];
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostics;
    throw error;
  }
}

function parameterDiagnostics(body: KernelFunction, kernel: Kernel): readonly Diagnostic[] {
  const wanted = kernel.params.map(({ name }) => name);
  const given = new Set(body.params.map(({ name }) => name));
  const missing = wanted.filter((name) => !given.has(name));
  return [
    ...missing.map((name) =>
      diagnosticAt('KERNEL_PARAMETER', `${kernel.name} needs the parameter '${name}'`, body.span, 'give it under params'),
    ),
    ...body.params
      .filter(({ name }) => !wanted.includes(name))
      .map((word) => unknown(`parameter of ${kernel.name}`, word, wanted)),
  ];
}

/** A kernel's buffers are the op's tensors and its scratch, by name. */
function bufferDiagnostics(op: Op, body: KernelFunction, kernel: Kernel): readonly Diagnostic[] {
  const tensors = [...op.inputs, ...op.outputs, ...body.scratch];
  const buffers = kernel.buffers.map(({ name }) => name);
  return [
    ...buffers
      .filter((name) => !tensors.some((tensor) => tensor.name === name))
      .map((name) => {
        const message = `${kernel.name} has the buffer '${name}', but ${op.name} has no input, output or scratch of that name`;
        return diagnosticAt('KERNEL_BUFFER', message, body.span);
      }),
    ...body.scratch
      .filter(({ name }) => !buffers.includes(name))
      .map((word) => unknown(`buffer of ${kernel.name}`, word, buffers)),
  ];
}

/** A list of more names than this helps nobody. */
const longestList = 12;

function unknown(what: string, { name, span }: Word, known: Iterable<string>): Diagnostic {
  const names = [...known];
  const all = names.length > 0 && names.length <= longestList ? `there are ${names.join(', ')}` : undefined;
  const hint = didYouMean(name, names) ?? all;
  return diagnosticAt('UNKNOWN_KERNEL', `there is no ${what} '${name}'`, span, hint);
}
