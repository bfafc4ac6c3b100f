/** Optimizer steps on 6.4 million parameters, and one epoch of LeNet on digits of noise. */

import { randint, randn, relu, tidy } from '../../entry/index.js';
import { batches } from '../../entry/io.js';
import { BatchNorm2D, Conv2D, CrossEntropyLoss, Parameter } from '../../entry/nn.js';
import { Adam } from '../../entry/optimizer.js';
import { LeNet } from '../../examples/mnist/lenet.js';
import { benchCase, type Case } from '../case.js';

/** Two layers of a transformer of width 512 and a few small tables: 6.4 million parameters in 26 tensors. */
const parameterShapes: readonly (readonly number[])[] = [
  [200, 512],
  [10, 512],
  ...[0, 1].flatMap(() => [...[0, 1, 2, 3].flatMap(() => [[512, 512], [512]]), [512, 2048], [2048], [2048, 512], [512]]),
];
const parameterCount = parameterShapes.reduce((total, shape) => total + shape.reduce((product, size) => product * size, 1), 0);

export const training = [adam('fused'), adam('foreach'), residualBlock(), lenetEpoch()];

function adam(variant: 'fused' | 'foreach'): Case {
  const shapes = JSON.stringify(parameterShapes);
  return benchCase({
    name: `Adam step, ${(parameterCount / 1e6).toFixed(1)}M parameters (PyTorch ${variant})`,
    inputs: {},
    unchecked: true,
    work: { bytes: 28 * parameterCount },
    ours() {
      const parameters = parameterShapes.map((shape) => {
        using values = randn(shape);
        const parameter = new Parameter(values);
        parameter.grad = randn(shape);
        return parameter;
      });
      const optimizer = new Adam(parameters);
      return () => {
        optimizer.step();
        return undefined;
      };
    },
    torchSetup: `
parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in ${shapes}]
for parameter in parameters:
    parameter.grad = torch.randn_like(parameter)
optimizer = torch.optim.Adam(parameters, ${variant}=True)
`,
    torch: 'optimizer.step()',
  });
}

/** The block of a ResNet on 8 images of 64 channels: two convolutions, each normalized, and the way around them. */
function residualBlock(): Case {
  return benchCase({
    name: 'residual block forward and backward, 8x64x56x56',
    inputs: { x: { shape: [8, 64, 56, 56] } },
    unchecked: true,
    ours({ x }) {
      const [first, second] = [0, 1].map(() => new Conv2D(64, 64, 3, { padding: 1, biasAttr: false })) as [Conv2D, Conv2D];
      const [firstNorm, secondNorm] = [new BatchNorm2D(64), new BatchNorm2D(64)];
      const layers = [first, second, firstNorm, secondNorm];
      x.stopGradient = false;
      return () => {
        tidy(() => {
          const inner = relu(firstNorm.forward(first.forward(x)));
          relu(secondNorm.forward(second.forward(inner)).add(x))
            .sum()
            .backward();
        });
        for (const layer of layers) layer.clearGradients();
        x.grad?.dispose();
        x.grad = null;
        return undefined;
      };
    },
    torchSetup: `
nn = torch.nn
first, second = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.Conv2d(64, 64, 3, padding=1, bias=False)
first_norm, second_norm = nn.BatchNorm2d(64), nn.BatchNorm2d(64)
x.requires_grad_(True)
leaves = [x, *(p for layer in (first, second, first_norm, second_norm) for p in layer.parameters())]
def step():
    with torch.enable_grad():
        F.relu(second_norm(second(F.relu(first_norm(first(x))))) + x).sum().backward()
    for leaf in leaves:
        leaf.grad = None
`,
    torch: 'step()',
  });
}

function lenetEpoch(): Case {
  const examples = 60_000;
  const batchSize = 64;
  return benchCase({
    name: 'LeNet, one epoch of 60000 digits in batches of 64',
    inputs: {},
    unchecked: true,
    long: true,
    ours() {
      const images = randint(0, { high: 256, shape: [examples, 1, 28, 28], dtype: 'uint8' });
      const labels = randint(0, { high: 10, shape: [examples], dtype: 'int32' });
      const model = new LeNet();
      const optimizer = new Adam(model.parameters());
      const criterion = new CrossEntropyLoss();
      return () => {
        for (const batch of batches({ images, labels }, { batchSize, shuffle: true })) {
          tidy(() => {
            const loss = criterion.forward(model.forward(batch.images), batch.labels);
            loss.backward();
            optimizer.step();
            optimizer.clearGrad();
            return loss.item();
          });
        }
        return undefined;
      };
    },
    torchSetup: `
nn = torch.nn
images = torch.randint(0, 256, (${examples}, 1, 28, 28), dtype=torch.uint8)
labels = torch.randint(0, 10, (${examples},))
model = nn.Sequential(
    nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
optimizer = torch.optim.Adam(model.parameters(), fused=True)
def epoch():
    for places in torch.randperm(${examples}).split(${batchSize}):
        loss = F.cross_entropy(model(images[places].float() / 255), labels[places])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
`,
    torch: 'epoch()',
  });
}
