/**
 * A circuit by nodal analysis: a sheet of resistors with a current that enters at one point and leaves at another. Kirchhoff's current law at
 * each node is one linear equation; LU factors solve them all.
 *
 *     node dist/examples/notebooks/circuit.js [picture.png] [nodes along a side, 24]
 */
import { arange, eye, scatterNdAdd, solve, stack, tensor, zeros } from 'opwright';
import { writePicture } from './picture.js';

const [path = 'circuit.png', text = '24'] = process.argv.slice(2);
const side = Number(text);
const nodes = side * side;

// One resistor between neighbours, along both directions: [resistors] nodes at one end and at the other.
const node = arange(nodes).cast('int32').reshape([side, side]);
const ends = [0, 1].map(
  (axis) => [node.slice([axis], [0], [side - 1]).flatten(), node.slice([axis], [1], [side]).flatten()] as const,
);
// Each of 1 ohm adds its conductance to the equations of both of its nodes.
let conductance = zeros([nodes, nodes], { dtype: 'float64' });
for (const [from, to] of ends) {
  const one = zeros([from.size], { dtype: 'float64' }).add(1);
  for (const [row, column, sign] of [
    [from, from, 1],
    [to, to, 1],
    [from, to, -1],
    [to, from, -1],
  ] as const)
    conductance = scatterNdAdd(conductance, stack([row, column], { axis: 1 }), one.multiply(sign));
}

// 1 ampere enters and leaves a quarter of the side from opposite corners; the last node is ground.
const quarter = Math.floor(side / 4);
const entry = quarter * side + quarter;
const exit = nodes - 1 - entry;
const current = scatterNdAdd(
  zeros([nodes], { dtype: 'float64' }),
  tensor([[entry], [exit]], { dtype: 'int32' }),
  tensor([1, -1], { dtype: 'float64' }),
);
const ground = eye(nodes, { dtype: 'float64' }).slice([0], [nodes - 1], [nodes]);
const grounded = conductance.add(ground.matmul(ground, { transposeX: true }));
const voltage = solve(grounded, current);

const residual = conductance.matmul(voltage).subtract(current).abs().max().item();
const volts = voltage.tolist() as number[];
console.log(
  `${nodes} nodes: ${(volts[entry]! - volts[exit]!).toFixed(6)} ohms between the points, Kirchhoff's law holds to ${residual.toExponential(1)} A`,
);
writePicture(path, voltage.reshape([side, side]).cast('float32'), volts[exit]!, volts[entry]!);
console.log(`picture: ${path}`);
