/**
 * Prints a kernel as a WebAssembly module: statements, and the function around them. The module imports the shared memory
 * `env.memory` and the functions of host.ts that it calls, and exports
 *
 *     run(parameterBlock: i32, begin: i32, end: i32)
 *
 * The kernel's types must be concrete, its vectors 128 bits wide, and its transcendental functions expanded (compile.ts does that).
 */
import { binary, local } from '../build.js';
import { combine } from '../combine.js';
import type { Expr, Kernel, Stmt } from '../ir.js';
import { Code, encodeModule } from './encoder.js';
import { printCondition, printExpr } from './expressions.js';
import { Frame, type PrintOptions } from './frame.js';
import { printStore } from './memory.js';

type Node<Do extends Stmt['do']> = Extract<Stmt, { do: Do }>;

export function printWasm(kernel: Kernel, options: PrintOptions = {}): Uint8Array<ArrayBuffer> {
  if (kernel.group !== undefined)
    throw new TypeError(`kernel ${kernel.name} is for groups of threads, which WebAssembly does not have`);
  const frame = new Frame(kernel, options, printExpr);
  new StatementPrinter(frame).block(kernel.body);
  const code = new Code();
  code.append(frame.prologue.bytes);
  code.append(frame.code.bytes);
  return encodeModule({ imports: frame.imports, exportName: 'run', locals: frame.locals, code });
}

/** The nesting depths of the labels that leave and repeat a loop. */
interface LoopLabels {
  readonly break: number;
  readonly continue: number;
}

class StatementPrinter {
  readonly #frame: Frame;
  #depth = 0;
  readonly #loops: LoopLabels[] = [];

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  block(statements: readonly Stmt[]): void {
    this.#frame.scope(() => {
      for (const statement of statements) this.#statement(statement);
    });
  }

  #statement(statement: Stmt): void {
    const frame = this.#frame;
    switch (statement.do) {
      case 'let':
        frame.print(statement.value);
        frame.code.set(frame.declare(statement.name, statement.value.type));
        break;
      case 'set':
        frame.print(statement.value);
        frame.code.set(frame.lookup(statement.name));
        break;
      case 'accumulate':
        frame.print(binary(combine[statement.kind], local(statement.name, statement.value.type), statement.value));
        frame.code.set(frame.lookup(statement.name));
        break;
      case 'store':
        printStore(frame, statement.buffer, statement.index, statement.value);
        break;
      case 'for':
        this.#for(statement);
        break;
      case 'while':
        this.#while(statement);
        break;
      case 'if':
        this.#if(statement);
        break;
      case 'break':
      case 'continue':
        this.#branch('br', this.#loop(statement.do)[statement.do]);
        break;
      case 'fail':
        this.#fail(statement.code);
        break;
      case 'barrier':
      case 'multiplyTiles':
        throw new TypeError(`kernel ${frame.kernel.name}: '${statement.do}' has no form in WebAssembly`);
    }
  }

  /** The test stands at the end of the loop, after one at its entry, so that a turn has one branch. */
  #for({ name, from, to, step, body }: Node<'for'>): void {
    const frame = this.#frame;
    const { code } = frame;
    frame.scope(() => {
      // The bound is evaluated before the loop variable comes into scope: it may read an outer local of that name.
      const limit = to.op === 'const' ? to : frame.share(to);
      frame.print(from);
      const variable = frame.declare(name, from.type);
      code.tee(variable);
      frame.print(limit);
      code.op('i32.lt_s');
      this.#nested('if', (exit) =>
        this.#nested('loop', (repeat) => {
          if (continues(body)) this.#nested('block', (next) => this.#body(body, { break: exit, continue: next }));
          else this.#body(body, { break: exit, continue: repeat });
          code.get(variable);
          code.i32(step);
          code.op('i32.add');
          code.tee(variable);
          frame.print(limit);
          code.op('i32.lt_s');
          this.#branch('br_if', repeat);
        }),
      );
    });
  }

  #while({ condition, body }: Node<'while'>): void {
    const { code } = this.#frame;
    this.#nested('block', (exit) =>
      this.#nested('loop', (repeat) => {
        if (!isTrue(condition)) {
          this.#frame.print(condition);
          code.op('i32.eqz');
          this.#branch('br_if', exit);
        }
        this.#body(body, { break: exit, continue: repeat });
        this.#branch('br', repeat);
      }),
    );
  }

  #if({ condition, then, else: otherwise }: Node<'if'>): void {
    printCondition(this.#frame, condition);
    this.#nested('if', () => {
      this.block(then);
      if (otherwise === undefined || otherwise.length === 0) return;
      this.#frame.code.op('else');
      this.block(otherwise);
    });
  }

  #fail(failure: number): void {
    const { code } = this.#frame;
    const word = this.#frame.errorWord();
    code.get(word);
    code.memory('i32.load', 0);
    code.op('i32.eqz');
    this.#nested('if', () => {
      code.get(word);
      code.i32(failure);
      code.memory('i32.store', 0);
    });
  }

  #body(statements: readonly Stmt[], labels: LoopLabels): void {
    this.#loops.push(labels);
    this.block(statements);
    this.#loops.pop();
  }

  #loop(statement: string): LoopLabels {
    const loop = this.#loops.at(-1);
    if (loop === undefined) throw new Error(`kernel ${this.#frame.kernel.name}: ${statement} outside of a loop`);
    return loop;
  }

  #nested(kind: 'block' | 'loop' | 'if', write: (depth: number) => void): void {
    this.#frame.code.block(kind);
    this.#depth++;
    write(this.#depth);
    this.#depth--;
    this.#frame.code.op('end');
  }

  #branch(name: 'br' | 'br_if', depth: number): void {
    this.#frame.code.opWith(name, this.#depth - depth);
  }
}

const isTrue = (condition: Expr): boolean => condition.op === 'const' && condition.value !== 0;

/** Whether a loop's body has a `continue` of its own. */
function continues(statements: readonly Stmt[]): boolean {
  return statements.some(
    (statement) =>
      statement.do === 'continue' || (statement.do === 'if' && (continues(statement.then) || continues(statement.else ?? []))),
  );
}
