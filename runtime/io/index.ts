/**
 * The public names of `opwright/io`: weights in files, and batches of examples.
 */
export { type Batch, type BatchOptions, batches, batchIndices, type TensorDataset } from './batches.js';
export {
  decodeSafetensors,
  encodeSafetensors,
  type LoadOptions,
  loadSafetensors,
  type Metadata,
  type NamedTensors,
  type SafetensorsContents,
  type SaveOptions,
  saveSafetensors,
} from './safetensors.js';
