/**
 * Region of interest alignment (He et al. 2017, as torchvision computes it): each region is divided into bins, and a bin is the mean of
 * bilinear samples. Regions are [r, 4] in x1, y1, x2, y2 of the image's coordinates; `image` says which image each belongs to.
 */
import {
  type Buffer,
  ceil,
  type f,
  type f64,
  fail,
  floor,
  type i32,
  idiv,
  irem,
  lanes,
  max,
  min,
  toI32,
  toT,
} from './language.js';

/** The number of samples along one side of a bin: the ratio where it is given, else one for each element the bin spans. */
function sampleCount(samplingRatio: i32, extent: f, bins: i32): i32 {
  return samplingRatio > 0 ? samplingRatio : toI32(ceil(extent / toT(bins)));
}

/** The length of a region's side; without `aligned` at least 1. */
function regionExtent(first: f, last: f, aligned: i32): f {
  return aligned !== 0 ? last - first : max(last - first, 1);
}

/** A coordinate of the image in elements; `aligned` puts pixel centres at whole numbers. */
function scaled(coordinate: f, spatialScale: f64, aligned: i32): f {
  const offset: f = aligned !== 0 ? 0.5 : 0;
  return coordinate * toT(spatialScale) - offset;
}

/** Of an image without elements everything is outside. */
function isOutside(y: f, x: f, h: i32, w: i32): boolean {
  return h < 1 || w < 1 || y < -1 || y > toT(h) || x < -1 || x > toT(w);
}

/** The image of a region: one that does not exist is reported and replaced by the nearest. */
function checkedImage(image: i32, images: i32): i32 {
  if (image < 0 || image >= images) fail(1);
  return min(max(image, 0), images - 1);
}

/** The value between the four elements around (y, x); 0 beyond one element outside, and where there are no images, which begin before 0 then. */
function bilinear(plane: Buffer<'T'>, base: i32, h: i32, w: i32, y: f, x: f): f {
  let value: f = 0;
  if (base >= 0 && !isOutside(y, x, h, w)) {
    const row = min(max(y, 0), toT(h - 1));
    const column = min(max(x, 0), toT(w - 1));
    const top = toI32(floor(row));
    const left = toI32(floor(column));
    const bottom = min(top + 1, h - 1);
    const right = min(left + 1, w - 1);
    const below = row - toT(top);
    const beside = column - toT(left);
    const upper = plane[base + top * w + left]! * (1 - beside) + plane[base + top * w + right]! * beside;
    const lower = plane[base + bottom * w + left]! * (1 - beside) + plane[base + bottom * w + right]! * beside;
    value = upper * (1 - below) + lower * below;
  }
  return value;
}

/** The adjoint of `bilinear`: shares `value` out over the four elements around (y, x). */
function spread(plane: Buffer<'T'>, base: i32, h: i32, w: i32, y: f, x: f, value: f): void {
  if (!isOutside(y, x, h, w)) {
    const row = min(max(y, 0), toT(h - 1));
    const column = min(max(x, 0), toT(w - 1));
    const top = toI32(floor(row));
    const left = toI32(floor(column));
    const bottom = min(top + 1, h - 1);
    const right = min(left + 1, w - 1);
    const below = row - toT(top);
    const beside = column - toT(left);
    plane[base + top * w + left]! += value * (1 - below) * (1 - beside);
    plane[base + top * w + right]! += value * (1 - below) * beside;
    plane[base + bottom * w + left]! += value * below * (1 - beside);
    plane[base + bottom * w + right]! += value * below * beside;
  }
}

/** x [images, channels, h, w] to out [r, channels, pooledHeight, pooledWidth]; a work item is one region's channel. */
export function roiAlign(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  rois: Buffer<'T'>,
  image: Buffer<'int32'>,
  out: Buffer<'T'>,
  images: i32,
  channels: i32,
  h: i32,
  w: i32,
  pooledHeight: i32,
  pooledWidth: i32,
  spatialScale: f64,
  samplingRatio: i32,
  aligned: i32,
): void {
  for (let item = begin; item < end; item++) {
    const roi = idiv(item, channels);
    const left = scaled(rois[roi * 4]!, spatialScale, aligned);
    const top = scaled(rois[roi * 4 + 1]!, spatialScale, aligned);
    const width = regionExtent(left, scaled(rois[roi * 4 + 2]!, spatialScale, aligned), aligned);
    const height = regionExtent(top, scaled(rois[roi * 4 + 3]!, spatialScale, aligned), aligned);
    const rows = sampleCount(samplingRatio, height, pooledHeight);
    const columns = sampleCount(samplingRatio, width, pooledWidth);
    const binHeight = height / toT(pooledHeight);
    const binWidth = width / toT(pooledWidth);
    const base = (checkedImage(image[roi]!, images) * channels + irem(item, channels)) * h * w;
    for (let i = 0; i < pooledHeight; i++) {
      for (let j = 0; j < pooledWidth; j++) {
        let sum: f = 0;
        for (let row = 0; row < rows; row++) {
          const y = top + toT(i) * binHeight + ((toT(row) + 0.5) * binHeight) / toT(rows);
          for (let column = 0; column < columns; column++) {
            const across = left + toT(j) * binWidth + ((toT(column) + 0.5) * binWidth) / toT(columns);
            sum += bilinear(x, base, h, w, y, across);
          }
        }
        out[(item * pooledHeight + i) * pooledWidth + j] = sum / toT(max(rows * columns, 1));
      }
    }
  }
}

/**
 * The gradient to x of `roiAlign`, given `regions` regions. A work item is one image's channel, which adds up what its regions sent in
 * their order: no two items touch the same element.
 */
export function roiAlignGrad(
  begin: i32,
  end: i32,
  dout: Buffer<'T'>,
  rois: Buffer<'T'>,
  image: Buffer<'int32'>,
  dx: Buffer<'T'>,
  regions: i32,
  images: i32,
  channels: i32,
  h: i32,
  w: i32,
  pooledHeight: i32,
  pooledWidth: i32,
  spatialScale: f64,
  samplingRatio: i32,
  aligned: i32,
): void {
  for (let item = begin; item < end; item++) {
    const base = item * h * w;
    for (const at of lanes(base, base + h * w)) dx[at] = 0;
    for (let roi = 0; roi < regions; roi++) {
      if (checkedImage(image[roi]!, images) !== idiv(item, channels)) continue;
      const left = scaled(rois[roi * 4]!, spatialScale, aligned);
      const top = scaled(rois[roi * 4 + 1]!, spatialScale, aligned);
      const width = regionExtent(left, scaled(rois[roi * 4 + 2]!, spatialScale, aligned), aligned);
      const height = regionExtent(top, scaled(rois[roi * 4 + 3]!, spatialScale, aligned), aligned);
      const rows = sampleCount(samplingRatio, height, pooledHeight);
      const columns = sampleCount(samplingRatio, width, pooledWidth);
      const binHeight = height / toT(pooledHeight);
      const binWidth = width / toT(pooledWidth);
      for (let i = 0; i < pooledHeight; i++) {
        for (let j = 0; j < pooledWidth; j++) {
          const place = ((roi * channels + irem(item, channels)) * pooledHeight + i) * pooledWidth + j;
          const share = dout[place]! / toT(max(rows * columns, 1));
          for (let row = 0; row < rows; row++) {
            const y = top + toT(i) * binHeight + ((toT(row) + 0.5) * binHeight) / toT(rows);
            for (let column = 0; column < columns; column++) {
              const across = left + toT(j) * binWidth + ((toT(column) + 0.5) * binWidth) / toT(columns);
              spread(dx, base, h, w, y, across, share);
            }
          }
        }
      }
    }
  }
}
