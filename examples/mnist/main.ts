/**
 * Trains LeNet to read handwritten digits, saves its weights, loads them into a fresh network and checks that it reads as well.
 */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argmax, noGrad, OpwrightError, seed, setDevice, tidy } from 'opwright';
import { batches, loadSafetensors, saveSafetensors } from 'opwright/io';
import { CrossEntropyLoss } from 'opwright/nn';
import { Adam } from 'opwright/optimizer';
import { type Digits, loadDigits } from './data.js';
import { LeNet } from './lenet.js';
import { type Options, readOptions } from './options.js';
import { Progress } from './progress.js';

const options = readOptions(process.argv.slice(2));
try {
  await main(options);
} catch (error) {
  // What cannot be helped here, such as a device that is not there: code, reason and remedy say more than a stack.
  if (!(error instanceof OpwrightError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}

async function main(options: Options): Promise<void> {
  const start = performance.now();
  // Devices open on first use, and the cpu asks for its threads then.
  if (options.threads !== undefined) process.env.OPWRIGHT_THREADS = `${options.threads}`;
  const device = setDevice(options.device);
  seed(options.seed);

  const training = loadDigits('train', options.trainCount);
  const testing = loadDigits('test', options.testCount);
  const model = new LeNet();
  const accuracy = train(model, training, testing, options);
  await checkSavedWeights(model, testing, accuracy, options.save);
  const threads = 'threads' in device ? ` with ${plural(Number(device.threads), 'thread')}` : '';
  const what = `LeNet on ${device.name}${threads}, ${plural(options.epochs, 'epoch')} in ${secondsSince(start)} s`;
  console.log(`${what}: ${percent(accuracy)} of ${testing.labels.size} test images right`);
}

/** Trains, and gives the share of the test examples that are read correctly in the end. */
function train(model: LeNet, training: Digits, testing: Digits, { epochs, batchSize, learningRate }: Options): number {
  const criterion = new CrossEntropyLoss();
  const steps = Math.ceil(training.labels.size / batchSize);
  // Half a cosine, from the full rate down to 0 at the end: large steps first, and no noise left in the last ones.
  const schedule = (update: number) => (learningRate / 2) * (1 + Math.cos((Math.PI * update) / (steps * epochs)));
  const optimizer = new Adam(model.parameters(), { learningRate: schedule });
  let accuracy = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const epochStart = performance.now();
    const progress = new Progress(`epoch ${epoch}/${epochs}`, steps);
    let step = 0;
    let totalLoss = 0;
    for (const { images, labels } of batches(training, { batchSize, shuffle: true })) {
      totalLoss += tidy(() => {
        const loss = criterion.forward(model.forward(images), labels);
        loss.backward();
        optimizer.step();
        optimizer.clearGrad();
        return loss.item();
      });
      step++;
      progress.update(step, `loss ${(totalLoss / step).toFixed(4)}`);
    }
    accuracy = accuracyOf(model, testing);
    progress.finish(
      `loss ${(totalLoss / steps).toFixed(4)}, ${percent(accuracy)} of test images right, ${secondsSince(epochStart)} s`,
    );
  }
  return accuracy;
}

/** The share of examples whose highest score is that of the right digit. */
function accuracyOf(model: LeNet, digits: Digits): number {
  let right = 0;
  for (const { images, labels } of batches(digits, { batchSize: 1000 })) {
    const predicted = tidy(() => noGrad(() => argmax(model.forward(images), { axis: 1 }).dataSync()));
    const expected = labels.dataSync();
    right += expected.reduce((sum, digit, index) => sum + (predicted[index] === digit ? 1 : 0), 0);
  }
  return right / digits.labels.size;
}

/** Throws unless the weights survive a file: a fresh network that loads them must read exactly as well. */
async function checkSavedWeights(model: LeNet, testing: Digits, accuracy: number, save: string | undefined): Promise<void> {
  const path = save ?? join(tmpdir(), `opwright-lenet-${process.pid}.safetensors`);
  try {
    await saveSafetensors(model.stateDict(), path);
    const fresh = new LeNet();
    fresh.setStateDict((await loadSafetensors(path)).tensors);
    const again = accuracyOf(fresh, testing);
    if (again !== accuracy) throw new Error(`The saved weights read ${percent(again)} right, not ${percent(accuracy)}.`);
    console.log(
      `weights ${save === undefined ? 'saved' : `saved in ${path}`}, loaded into a fresh network: ${percent(again)} again`,
    );
  } finally {
    if (save === undefined) await rm(path, { force: true });
  }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function secondsSince(time: number): string {
  return ((performance.now() - time) / 1000).toFixed(1);
}
