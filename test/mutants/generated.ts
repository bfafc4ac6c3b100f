/**
 * Faults in what the generator wrote, planted automatically in the compiled files of generated/ops: for each op its gradients, saved values,
 * shape rules, constraints, views, kernel parameters and definitions are each made wrong in a few ways.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ts } from 'ts-morph';
import type { Edit, FaultClass, Mutant, Plan } from './mutant.js';

/** The object literal that defines an op, taken apart. */
class Definition {
  readonly name: string;

  constructor(
    readonly source: ts.SourceFile,
    readonly literal: ts.ObjectLiteralExpression,
  ) {
    const name = property(literal, 'name');
    if (name === undefined || !ts.isStringLiteral(name)) throw new Error('a definition has no name');
    this.name = name.text;
  }

  text(node: ts.Node): string {
    return node.getText(this.source);
  }

  replace(node: ts.Node, text: string): Edit {
    return { start: node.getStart(this.source), end: node.getEnd(), text };
  }

  body(): { kind: string; literal: ts.ObjectLiteralExpression } {
    const literal = property(this.literal, 'body');
    if (literal === undefined || !ts.isObjectLiteralExpression(literal)) throw new Error(`${this.name} has no body`);
    const kind = property(literal, 'kind');
    return { kind: kind !== undefined && ts.isStringLiteral(kind) ? kind.text : '', literal };
  }

  method(name: string, of: ts.ObjectLiteralExpression = this.literal): ts.MethodDeclaration | undefined {
    return of.properties.find((one): one is ts.MethodDeclaration => ts.isMethodDeclaration(one) && nameOf(one) === name);
  }

  gradients(): ts.ObjectLiteralExpression[] {
    const list = property(this.literal, 'gradients');
    return list !== undefined && ts.isArrayLiteralExpression(list) ? list.elements.filter(ts.isObjectLiteralExpression) : [];
  }
}

const nameOf = (element: ts.ObjectLiteralElementLike): string =>
  element.name !== undefined && (ts.isIdentifier(element.name) || ts.isStringLiteral(element.name)) ? element.name.text : '';

function property(literal: ts.ObjectLiteralExpression, name: string): ts.Expression | undefined {
  const found = literal.properties.find((one) => ts.isPropertyAssignment(one) && nameOf(one) === name);
  return found !== undefined && ts.isPropertyAssignment(found) ? found.initializer : undefined;
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  node.forEachChild((child) => visit(child, see));
}

function find<N extends ts.Node>(node: ts.Node | undefined, test: (node: ts.Node) => node is N): N[] {
  const found: N[] = [];
  if (node !== undefined) visit(node, (one) => void (test(one) && found.push(one)));
  return found;
}

/** The name of the op of the algebra that a call is of, `g.multiply(...)`. */
function calledOp(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined;
  const { expression, name } = node.expression;
  return ts.isIdentifier(expression) && expression.text === 'g' ? name.text : undefined;
}

function hostCall(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined;
  const { expression, name } = node.expression;
  return ts.isIdentifier(expression) && (expression.text === 'host' || expression.text === 'dimensions') ? name.text : undefined;
}

// ---- All mutants

/** A fault that was planted in one definition, before it has a plan. */
interface Fault {
  readonly what: string;
  readonly fault: FaultClass;
  readonly edits: readonly Edit[];
}

/** The checks that such a fault is likeliest to fail. */
const firstChecks: Readonly<Partial<Record<FaultClass, readonly string[]>>> = {
  'flipped sign in a gradient': ['gradient', 'second-order'],
  'wrong derivative rule': ['gradient', 'second-order'],
  'missing un-broadcast': ['gradient', 'broadcast'],
  'wrong saved value': ['gradient', 'second-order'],
  'wrong shape rule': ['values', 'rules'],
  'dropped constraint': ['errors', 'rules', 'misuse'],
};

/** Callers whose matrix is run as well: an op that users cannot call has goldens only through them. */
const mostCallers = 4;

/** Every mutant of the generated ops of a dist folder. */
export function generatedMutants(dist: string): Mutant[] {
  const definitions = allDefinitions(dist);
  const callers = callersOf(definitions);
  return definitions.flatMap((definition) => mutantsOf(definition, planOf(definition, callers)));
}

function allDefinitions(dist: string): Definition[] {
  const folder = join(dist, 'generated', 'ops');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.js'))
    .flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      const source = ts.createSourceFile(name, text, ts.ScriptTarget.ES2023, true, ts.ScriptKind.JS);
      return definitionsIn(source);
    });
}

type Callers = ReadonlyMap<string, readonly string[]>;

/** The ops whose definitions and gradients call each op. */
function callersOf(definitions: readonly Definition[]): Callers {
  const callers = new Map<string, string[]>();
  for (const { name, literal } of definitions)
    for (const called of new Set(find(literal, ts.isCallExpression).map(calledOp)))
      if (called !== undefined) callers.set(called, [...(callers.get(called) ?? []), name]);
  return callers;
}

/** For each kernel of generated/kernels, the ops that launch it and some of their callers. */
export function usersOfKernels(dist: string): Callers {
  const definitions = allDefinitions(dist);
  const callers = callersOf(definitions);
  const users = new Map<string, string[]>();
  for (const definition of definitions)
    for (const access of find(definition.literal, ts.isPropertyAccessExpression)) {
      if (definition.text(access.expression) !== 'kernels') continue;
      const kernel = access.name.text;
      users.set(kernel, [...(users.get(kernel) ?? []), definition.name, ...someCallers(definition, callers)]);
    }
  return users;
}

/** The nearest callers of an op, callers of callers after them. */
function someCallers({ name }: Definition, callers: Callers): readonly string[] {
  const found = new Set([name]);
  for (const op of found) for (const caller of callers.get(op) ?? []) if (found.size <= mostCallers) found.add(caller);
  return [...found].slice(1);
}

function planOf(definition: Definition, callers: Callers): Required<Omit<Plan, 'first'>> {
  const random = property(definition.literal, 'random') !== undefined ? ['random-ops'] : [];
  const suites = [...random, ...(suitesOfGroups[definition.source.fileName] ?? [])];
  return { ops: [definition.name, ...someCallers(definition, callers)], suites };
}

/** What looks closer than the matrix does. */
const suitesOfGroups: Readonly<Record<string, readonly string[]>> = {
  'creation.js': ['boundaries', 'distributions'],
  'indexing.js': ['boundaries'],
  'linear-algebra.js': ['linear-algebra'],
  'sorting-and-sets.js': ['boundaries'],
  'optimizer-steps.js': ['optimizer', 'nn'],
};

/** A view has the shape of its layout: what its rule says shows where the op is traced within a larger one. */
const shownInPrograms: readonly FaultClass[] = ['wrong shape rule', 'wrong stride'];

function definitionsIn(source: ts.SourceFile): Definition[] {
  return find(source, ts.isVariableDeclaration)
    .filter(({ name, initializer }) => ts.isIdentifier(name) && name.text.endsWith('Definition') && initializer !== undefined)
    .flatMap(({ initializer }) =>
      initializer !== undefined && ts.isObjectLiteralExpression(initializer) ? [new Definition(source, initializer)] : [],
    );
}

function mutantsOf(definition: Definition, plan: Required<Omit<Plan, 'first'>>): Mutant[] {
  const faults = [
    ...definition.gradients().flatMap((gradient) => gradientFaults(definition, gradient)),
    ...shapeFaults(definition),
    ...bodyFaults(definition),
  ];
  const file = `generated/ops/${definition.source.fileName}`;
  return faults.map(({ what, fault, edits }) => {
    const first = firstChecks[fault] ?? [];
    const suites = shownInPrograms.includes(fault) ? [...plan.suites, 'random-programs'] : plan.suites;
    return { id: `${definition.name}: ${what}`, fault, file, edits, plan: { ...plan, first, suites } };
  });
}

// ---- Gradients

function gradientFaults(definition: Definition, gradient: ts.ObjectLiteralExpression): Fault[] {
  const run = definition.method('run', gradient);
  const input = property(gradient, 'input');
  if (run === undefined || input === undefined) return [];
  const algebra = run.parameters[0] === undefined ? 'g' : definition.text(run.parameters[0].name);
  const of = `gradient of ${ts.isStringLiteral(input) ? input.text : '?'}`;
  const result = find(run, ts.isReturnStatement).at(-1)?.expression;
  const flipped: Fault[] =
    result === undefined
      ? []
      : [
          {
            what: `${of} negated`,
            fault: 'flipped sign in a gradient',
            edits: [definition.replace(result, `(${definition.text(result)}).map((one) => ${algebra}.neg(one))`)],
          },
        ];
  const unsummed = find(run, ts.isCallExpression)
    .filter((call) => calledOp(call) === 'sumTo')
    .map(
      (call, place): Fault => ({
        what: `${of}, sumTo ${place} dropped`,
        fault: 'missing un-broadcast',
        edits: [definition.replace(call, definition.text(call.arguments[0]!))],
      }),
    );
  const rules = formulaFaults(definition, run, of, 'wrong derivative rule');
  return [...flipped, ...unsummed, ...spaced(rules, 4), ...savedFaults(definition, gradient, run, of)];
}

/** At most so many, spread over all. */
function spaced<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, place) => items[Math.floor((place * items.length) / most)]!);
}

/** How a call of an op is made wrong, given the texts of its arguments; undefined where nothing sensible comes of it. */
const wrongCalls: Readonly<Record<string, (args: readonly string[]) => string>> = {
  multiply: ([a, b]) => (/\bd[a-z]/.test(b!) ? b! : a!),
  divide: ([a, b]) => `g.multiply(${a}, ${b})`,
  add: ([a, b]) => `g.subtract(${a}, ${b})`,
  subtract: ([a, b]) => `g.add(${a}, ${b})`,
  where: ([c, a, b]) => `g.where(${c}, ${b}, ${a})`,
  neg: ([a]) => a!,
  maximum: ([a, b]) => `g.minimum(${a}, ${b})`,
  minimum: ([a, b]) => `g.maximum(${a}, ${b})`,
  lessThan: ([a, b]) => `g.greaterThan(${a}, ${b})`,
  greaterThan: ([a, b]) => `g.lessThan(${a}, ${b})`,
  sin: ([a]) => `g.cos(${a})`,
  cos: ([a]) => `g.sin(${a})`,
  exp: ([a]) => `g.expm1(${a})`,
  log: ([a]) => `g.log1p(${a})`,
  log1p: ([a]) => `g.log(${a})`,
  sqrt: ([a]) => a!,
  rsqrt: ([a]) => `g.sqrt(${a})`,
  tanh: ([a]) => `g.erf(${a})`,
  sigmoid: ([a]) => `g.tanh(${a})`,
  sum: ([a, options]) => `g.mean(${a}, ${options})`,
  mean: ([a, options]) => `g.sum(${a}, ${options})`,
  max: ([a, options]) => `g.min(${a}, ${options})`,
  min: ([a, options]) => `g.max(${a}, ${options})`,
};

function formulaFaults(definition: Definition, method: ts.MethodDeclaration, of: string, fault: FaultClass): Fault[] {
  const faults: Fault[] = [];
  visit(method, (node) => {
    const op = calledOp(node);
    const wrong = op === undefined ? undefined : wrongCalls[op];
    const what = `${of}, fault ${faults.length} of its formula`;
    if (ts.isCallExpression(node) && wrong !== undefined) {
      const texts = node.arguments.map((one) => definition.text(one));
      faults.push({ what: `${what} (${op})`, fault, edits: [definition.replace(node, wrong(texts))] });
    } else if (hostCall(node) === 'inversePermutation' && ts.isCallExpression(node) && !isOwnInverse(node.arguments[0]!)) {
      faults.push({
        what: `${what} (permutation)`,
        fault,
        edits: [definition.replace(node, definition.text(node.arguments[0]!))],
      });
    } else if (ts.isPrefixUnaryExpression(node) && ts.isIdentifier(node.operand)) {
      faults.push({ what: `${what} (sign)`, fault, edits: [definition.replace(node, definition.text(node.operand))] });
    }
  });
  return faults;
}

/** Whether a permutation is written out and gives the same when done twice. */
function isOwnInverse(list: ts.Expression): boolean {
  if (!ts.isArrayLiteralExpression(list)) return false;
  const places = list.elements.map((one) => Number(one.getText()));
  return places.every((place, at) => places[place] === at);
}

/** Another value is kept, and handed on under the name of the one that is needed. */
function savedFaults(
  definition: Definition,
  gradient: ts.ObjectLiteralExpression,
  run: ts.MethodDeclaration,
  of: string,
): Fault[] {
  const list = property(gradient, 'saved');
  const pattern = run.parameters[1]?.name;
  if (list === undefined || !ts.isArrayLiteralExpression(list) || pattern === undefined || !ts.isObjectBindingPattern(pattern))
    return [];
  const saved = list.elements.filter(ts.isObjectLiteralExpression).flatMap((one) => {
    const [name, keep] = [property(one, 'name'), property(one, 'keep')];
    return name !== undefined && keep !== undefined && ts.isStringLiteral(name) && ts.isStringLiteral(keep)
      ? [{ name, keep }]
      : [];
  });
  const known = ['inputs', 'outputs'].flatMap((field) => namesIn(property(definition.literal, field)));
  return saved.flatMap(({ name, keep }): Fault[] => {
    const other = known.find((one) => !saved.some((already) => already.name.text === one));
    const binding = pattern.elements.find((one) => ts.isIdentifier(one.name) && one.name.text === name.text);
    if (keep.text !== 'value' || other === undefined || binding === undefined) return [];
    return [
      {
        what: `${of} keeps ${other} as ${name.text}`,
        fault: 'wrong saved value',
        edits: [definition.replace(name, `'${other}'`), definition.replace(binding, `${other}: ${name.text}`)],
      },
    ];
  });
}

function namesIn(list: ts.Expression | undefined): string[] {
  if (list === undefined || !ts.isArrayLiteralExpression(list)) return [];
  return list.elements.filter(ts.isObjectLiteralExpression).flatMap((one) => {
    const name = property(one, 'name');
    return name !== undefined && ts.isStringLiteral(name) && property(one, 'list') === undefined ? [name.text] : [];
  });
}

// ---- Shapes and constraints

const lastOneMore = 'shape.map((size, axis) => (axis === shape.length - 1 ? size + 1 : size))';

function shapeFaults(definition: Definition): Fault[] {
  const infer = definition.method('infer');
  if (infer === undefined) return [];
  const faults: Fault[] = [];
  // The shapes of a composite come of its definition; its own rule only checks.
  if (definition.body().kind !== 'define')
    for (const result of find(infer, ts.isReturnStatement))
      for (const one of find(result, ts.isObjectLiteralExpression)) {
        const shape = property(one, 'shape');
        const dtype = property(one, 'dtype');
        if (shape === undefined || dtype === undefined) continue;
        faults.push({
          what: `shape ${faults.length} one more along the last axis`,
          fault: 'wrong shape rule',
          edits: [definition.replace(shape, `((shape) => ${lastOneMore})(${definition.text(shape)})`)],
        });
      }
  find(infer, ts.isIfStatement)
    .filter((statement) => find(statement.thenStatement, ts.isThrowStatement).length > 0)
    .forEach((statement, place) => {
      faults.push({
        what: `constraint ${place} dropped`,
        fault: 'dropped constraint',
        edits: [definition.replace(statement.expression, 'false')],
      });
    });
  find(infer, ts.isExpressionStatement)
    .filter(({ expression }) => ['checkRank', 'checkEqualShape', 'match'].includes(hostCall(expression) ?? ''))
    .forEach((statement, place) => {
      faults.push({ what: `check ${place} dropped`, fault: 'dropped constraint', edits: [definition.replace(statement, ';')] });
    });
  return faults;
}

// ---- Bodies

function bodyFaults(definition: Definition): Fault[] {
  const { kind, literal } = definition.body();
  if (kind === 'define') {
    const run = definition.method('run', literal);
    return run === undefined ? [] : spaced(formulaFaults(definition, run, 'definition', 'wrong formula'), 4);
  }
  if (kind === 'view') return viewFaults(definition, literal);
  return kind === 'kernel' ? parameterFaults(definition, literal) : [];
}

function viewFaults(definition: Definition, body: ts.ObjectLiteralExpression): Fault[] {
  return find(definition.method('view', body), ts.isReturnStatement).flatMap((result) =>
    find(result, ts.isObjectLiteralExpression).flatMap((layout): Fault[] => {
      const [strides, offset] = [property(layout, 'strides'), property(layout, 'offset')];
      if (strides === undefined || offset === undefined) return [];
      return [
        {
          what: 'strides the other way round',
          fault: 'wrong stride',
          edits: [definition.replace(strides, `[...${definition.text(strides)}].reverse()`)],
        },
        {
          what: 'offset one more',
          fault: 'wrong stride',
          edits: [definition.replace(offset, `(${definition.text(offset)}) + 1`)],
        },
      ];
    }),
  );
}

function parameterFaults(definition: Definition, body: ts.ObjectLiteralExpression): Fault[] {
  const call = definition.method('call', body);
  const faults: Fault[] = [];
  for (const literal of find(call, ts.isObjectLiteralExpression)) {
    const params = property(literal, 'params');
    const work = property(literal, 'work');
    if (work !== undefined)
      faults.push({
        what: 'one work item less',
        fault: 'off-by-one loop bound or vector tail',
        edits: [definition.replace(work, `Math.max(0, ${definition.text(work)} - 1)`)],
      });
    if (params === undefined || !ts.isObjectLiteralExpression(params)) continue;
    for (const one of params.properties) {
      const value = ts.isPropertyAssignment(one) ? definition.text(one.initializer) : nameOf(one);
      // Kernels read flags as numbers.
      const flag = ['descending', 'largest', 'exclusive', 'wrap'].includes(nameOf(one));
      faults.push({
        what: `parameter ${nameOf(one)} ${flag ? 'turned over' : 'one more'}`,
        fault: 'wrong parameter of a kernel',
        edits: [definition.replace(one, `${nameOf(one)}: ${flag ? `1 - Number(${value})` : `Number(${value}) + 1`}`)],
      });
    }
  }
  return faults;
}
