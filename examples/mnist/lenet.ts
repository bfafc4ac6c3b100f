/**
 * LeNet-5 with ReLU and max pooling (after LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition,
 * 1998): two convolutions and three matrices, 61706 parameters.
 */
import { divide, relu, type Tensor } from 'opwright';
import { Conv2D, Flatten, Layer, Linear, MaxPool2D, ReLU, Sequential } from 'opwright/nn';

export class LeNet extends Layer {
  readonly features = new Sequential(
    new Conv2D(1, 6, 5, { padding: 2 }),
    new ReLU(),
    new MaxPool2D(2),
    new Conv2D(6, 16, 5),
    new ReLU(),
    new MaxPool2D(2),
    new Flatten(),
  );
  readonly hidden = new Linear(400, 120);
  readonly narrow = new Linear(120, 84);
  readonly output = new Linear(84, 10);

  /** Images of bytes, uint8 [n, 1, 28, 28], to a score for each digit, [n, 10]. */
  forward(images: Tensor): Tensor {
    const x = this.features.forward(divide(images.cast('float32'), 255));
    return this.output.forward(relu(this.narrow.forward(relu(this.hidden.forward(x)))));
  }
}
