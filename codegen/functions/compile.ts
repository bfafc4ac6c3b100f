/**
 * Kernel functions (kernels/functions, a TypeScript subset) to kernel IR, generic in dtype: the generator's entry. The result is plain
 * data, to be written to generated/kernels; choosing dtypes and targets comes later.
 */
import { type FunctionDeclaration, Project, type SourceFile } from 'ts-morph';
import type { Kernel } from '../../kernels/ir.js';
import { FunctionCompiler } from './compiler.js';
import { KernelFunctionError } from './problem.js';

export { KernelFunctionError } from './problem.js';

/**
 * Compiles all kernels of these files: exported functions that begin with `begin`. Their names may not repeat. Other exported functions
 * are helpers for other files.
 */
export function compileKernelFunctions(files: readonly string[]): Kernel[] {
  const project = new Project({
    skipAddingFilesFromTsConfig: true,
    skipLoadingLibFiles: true,
    skipFileDependencyResolution: true,
  });
  return compileFiles(files.map((file) => project.addSourceFileAtPath(file)));
}

/** The same for one file's text; `file` is the name that errors show. */
export function compileKernelSource(text: string, file = 'kernel.ts'): Kernel[] {
  const project = new Project({ useInMemoryFileSystem: true, skipLoadingLibFiles: true, skipFileDependencyResolution: true });
  return compileFiles([project.createSourceFile(file, text)]);
}

function compileFiles(files: readonly SourceFile[]): Kernel[] {
  const kernels = new Map<string, Kernel>();
  for (const declaration of files.flatMap((file) => file.getFunctions().filter(isKernel))) {
    const kernel = compileFunction(declaration);
    if (kernels.has(kernel.name)) throw new KernelFunctionError(declaration, `a second kernel function named ${kernel.name}`);
    kernels.set(kernel.name, kernel);
  }
  return [...kernels.values()];
}

function isKernel(declaration: FunctionDeclaration): boolean {
  return declaration.isExported() && declaration.getParameters()[0]?.getName() === 'begin';
}

function compileFunction(declaration: FunctionDeclaration): Kernel {
  const signature = declaration.getParameters().map((parameter) => parameter.getText());
  if (signature[0] !== 'begin: i32' || signature[1] !== 'end: i32')
    throw new KernelFunctionError(declaration, 'an exported function is a kernel and begins with (begin: i32, end: i32, ...)');
  return new FunctionCompiler(declaration).kernel();
}
