/**
 * Running totals in lanes: loops that accumulate into a local from outside and use what it has come to, as in
 * `sum += x[i]; out[i] = sum`. Within a vector each lane takes in what stands 1, then 2, 4, ... lanes before it; then all take in the
 * total of the vectors before. That is another order than one element after the other, and ARCHITECTURE.md states it.
 */
import { accumulate, binary, constant, lane, laneType, let_, local, shuffle, splat } from './build.js';
import type { AccumulateKind, BinaryOp, Expr, Stmt } from './ir.js';
import { expressionsOf, mapOperands, mapStatement, visitExpr, visitStatements } from './traverse.js';
import type { Loop } from './vectorise-analysis.js';

export interface Running<Kind extends AccumulateKind = AccumulateKind> {
  /** The loop with a local of its own in place of the accumulator: at first what is added, in lanes the total. */
  readonly loop: Loop;
  readonly name: string;
  /** The local that accumulates. */
  readonly total: string;
  readonly kind: Kind;
}

const kinds = { sum: ['add', 0], prod: ['mul', 1] } as const satisfies Partial<
  Record<AccumulateKind, readonly [BinaryOp, number]>
>;
type KindInLanes = keyof typeof kinds;
export type RunningInLanes = Running<KindInLanes>;

/** The first running total of a loop that has one, of a kind that lanes can take in. */
export const runningInLanes = (loop: Loop, fresh: (wanted: string) => string): RunningInLanes | undefined =>
  runningTotal(loop, fresh, (kind): kind is KindInLanes => Object.hasOwn(kinds, kind));

/** The first running total of a loop, of one of those kinds, where it is only used after it was added to. */
export function runningTotal<Kind extends AccumulateKind>(
  loop: Loop,
  fresh: (wanted: string) => string,
  isWanted: (kind: AccumulateKind) => kind is Kind,
): Running<Kind> | undefined {
  const at = loop.body.findIndex((statement) => statement.do === 'accumulate');
  const statement = loop.body[at];
  if (statement?.do !== 'accumulate' || !isWanted(statement.kind)) return undefined;
  const { name: total, value } = statement;
  const after = loop.body.slice(at + 1);
  const changes = (others: readonly Stmt[]): boolean => {
    let changed = false;
    visitStatements(others, (other) => {
      if ('name' in other && other.name === total) changed = true;
    });
    return changed;
  };
  const before = loop.body.slice(0, at);
  const isRead = mentions(after, total) && !mentions(before, total) && !mentions([statement], total);
  if (!isRead || changes(before) || changes(after)) return undefined;
  const name = fresh(`${total}_running`);
  const renamed = (expr: Expr): Expr =>
    expr.op === 'local' && expr.name === total ? local(name, expr.type) : mapOperands(expr, renamed);
  const rename = (statements: readonly Stmt[]): readonly Stmt[] =>
    statements.map((other) => mapStatement(other, renamed, rename));
  return { loop: { ...loop, body: [...before, let_(name, value), ...rename(after)] }, name, total, kind: statement.kind };
}

function mentions(statements: readonly Stmt[], name: string): boolean {
  let found = false;
  visitStatements(statements, (statement) => {
    for (const expr of expressionsOf(statement))
      visitExpr(expr, (node) => {
        if (node.op === 'local' && node.name === name) found = true;
      });
  });
  return found;
}

/** Declares `name` as the totals of a vector's lanes, and takes the last of them over. */
export function totalInLanes(
  { total, kind }: RunningInLanes,
  name: string,
  value: Expr,
  fresh: (wanted: string) => string,
): readonly Stmt[] {
  const { type } = value;
  const [operator, identity] = kinds[kind];
  const declared: Stmt[] = [];
  const declare = (wanted: string, expr: Expr): Expr => {
    declared.push(let_(wanted, expr));
    return local(wanted, type);
  };
  let lanes = declare(fresh(`${name}_own`), value);
  for (let distance = 1; distance < type.lanes; distance *= 2) {
    const picked = Array.from({ length: type.lanes }, (_, at) => (at < distance ? at : type.lanes + at - distance));
    lanes = declare(fresh(`${name}_over`), binary(operator, lanes, shuffle(constant(type, identity), lanes, picked)));
  }
  const before = local(total, laneType(type));
  declare(name, binary(operator, lanes, splat(type, before)));
  return [...declared, accumulate(total, kind, lane(lanes, type.lanes - 1))];
}
