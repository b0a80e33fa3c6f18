/**
 * Convolution and its two gradients. For each output position and group the image elements under the window are a
 * vector x[c, u, v], the outputs there a vector y[o], and the weights a matrix: y = weight * x. The gradients of that
 * product are products again: dx = dy * weight, which is added back to the image, and dweight = the sum of dy x^T.
 *
 * @module
 */

import type { HostArray } from "../../../tensor/dtype.ts";
import type { ConvGeometry, ConvGradientAttributes } from "../../../tensor/ops/conv2d.ts";
import type { Shape } from "../../../tensor/shape.ts";
import type { CpuKernel } from "./kernel.ts";
import { addOuterProduct, matrixTimesVector, pick, vectorTimesMatrix } from "./products.ts";

/** y[n, o, i, j] = sum over c, u, v of weight[o, c, u, v] * x[n, c, i * stride + u * dilation - padding, ...]. */
export const conv2d: CpuKernel<ConvGeometry> = ([x, weight], geometry, [y]) => {
  const layout = layoutOf(x!.shape, weight!.shape, y!.shape, geometry);
  const window = new Float64Array(layout.windowSize);
  const outputs = new Float64Array(layout.groupOutputs);
  forEachWindow(layout, (place) => {
    readWindow(window, x!.data, place, layout);
    matrixTimesVector(outputs, weight!.data, place.weights, window);
    outputs.forEach((output, o) => y!.data[place.output + o * layout.outputSize] = output);
  });
};

/** dx[n, c, ...] = sum of dy[n, o, i, j] * weight[o, c, u, v] over the outputs that saw the element. */
export const conv2dInputGradient: CpuKernel<ConvGradientAttributes> = ([dy, weight], geometry, [dx]) => {
  const layout = layoutOf(dx!.shape, weight!.shape, dy!.shape, geometry);
  const window = new Float64Array(layout.windowSize);
  const outputs = new Float64Array(layout.groupOutputs);
  const sums = new Float64Array(dx!.data.length);
  forEachWindow(layout, (place) => {
    pick(outputs, dy!.data, place.output, layout.outputSize);
    vectorTimesMatrix(window, outputs, weight!.data, place.weights);
    addWindow(sums, window, place, layout);
  });
  dx!.data.set(sums);
};

/** dw[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] * x[n, c, i * stride + u * dilation - padding, ...]. */
export const conv2dWeightGradient: CpuKernel<ConvGradientAttributes> = ([x, dy], geometry, [dw]) => {
  const layout = layoutOf(x!.shape, dw!.shape, dy!.shape, geometry);
  const window = new Float64Array(layout.windowSize);
  const outputs = new Float64Array(layout.groupOutputs);
  const sums = new Float64Array(dw!.data.length);
  forEachWindow(layout, (place) => {
    readWindow(window, x!.data, place, layout);
    pick(outputs, dy!.data, place.output, layout.outputSize);
    addOuterProduct(sums, place.weights, outputs, window);
  });
  dw!.data.set(sums);
};

interface Layout extends ConvGeometry {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly windowY: number;
  readonly windowX: number;
  /** Input and output channels of one group. */
  readonly groupChannels: number;
  readonly groupOutputs: number;
  /** Elements of one output plane, and of one window with all channels of its group. */
  readonly outputSize: number;
  readonly windowSize: number;
}

function layoutOf(x: Shape, weight: Shape, y: Shape, geometry: ConvGeometry): Layout {
  const [batch, , height, width] = x as [number, number, number, number];
  const [outChannels, groupChannels, windowY, windowX] = weight as [number, number, number, number];
  const [outHeight, outWidth] = y.slice(2) as [number, number];
  return {
    ...geometry,
    batch,
    height,
    width,
    outHeight,
    outWidth,
    windowY,
    windowX,
    groupChannels,
    groupOutputs: outChannels / geometry.groups,
    outputSize: outHeight * outWidth,
    windowSize: groupChannels * windowY * windowX,
  };
}

/** One window of one group of one image. */
interface Place {
  /** Where the group's first image plane, its first weight and the window's first output are. */
  readonly image: number;
  readonly weights: number;
  readonly output: number;
  /** The row and the column in the image, or in its padding, where the window begins. */
  readonly row: number;
  readonly column: number;
}

function forEachWindow(layout: Layout, visit: (place: Place) => void): void {
  const { batch, groups, groupChannels, groupOutputs, outHeight, outWidth, stride, padding } = layout;
  for (let n = 0; n < batch; n++) {
    for (let group = 0; group < groups; group++) {
      const image = (n * groups + group) * groupChannels * layout.height * layout.width;
      const weights = group * groupOutputs * layout.windowSize;
      const outputs = (n * groups + group) * groupOutputs * layout.outputSize;
      for (let i = 0; i < outHeight; i++) {
        for (let j = 0; j < outWidth; j++) {
          const [row, column] = [i * stride[0] - padding[0], j * stride[1] - padding[1]];
          visit({ image, weights, output: outputs + i * outWidth + j, row, column });
        }
      }
    }
  }
}

/** Takes the elements under a window out of the image; outside of the image there are zeros. */
function readWindow(window: Float64Array, image: HostArray, place: Place, layout: Layout): void {
  const { groupChannels, windowY, windowX, height, width, dilation } = layout;
  for (let c = 0, at = 0; c < groupChannels; c++) {
    for (let u = 0; u < windowY; u++) {
      const y = place.row + u * dilation[0];
      const row = place.image + (c * height + y) * width;
      for (let v = 0; v < windowX; v++, at++) {
        const x = place.column + v * dilation[1];
        const inside = y >= 0 && y < height && x >= 0 && x < width;
        window[at] = inside ? image[row + x]! : 0;
      }
    }
  }
}

/** Adds a window to the elements under it; what lies outside of the image is dropped. */
function addWindow(image: Float64Array, window: Float64Array, place: Place, layout: Layout): void {
  const { groupChannels, windowY, windowX, height, width, dilation } = layout;
  for (let c = 0, at = 0; c < groupChannels; c++) {
    for (let u = 0; u < windowY; u++) {
      const y = place.row + u * dilation[0];
      const row = place.image + (c * height + y) * width;
      for (let v = 0; v < windowX; v++, at++) {
        const x = place.column + v * dilation[1];
        if (y >= 0 && y < height && x >= 0 && x < width) image[row + x]! += window[at]!;
      }
    }
  }
}
