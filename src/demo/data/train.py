#!/usr/bin/env python3
"""Makes digits.bin and network.bin, which `flatline demo` carries. Needs numpy and scikit-learn.

Data: the test set of the "Optical Recognition of Handwritten Digits" data set (E. Alpaydin and
C. Kaynak, 1998, UCI Machine Learning Repository, CC BY 4.0), as scikit-learn ships it
(sklearn.datasets.load_digits): 1,797 images of 8 x 8 pixels, values 0 to 16.

digits.bin   one record an image: 64 bytes of pixels, 1 byte of label. The first 1,200 records
             are those the network was trained on; the rest are held out.
network.bin  little-endian float32: weights 64 x 32 and bias 32 of the hidden layer (ReLU),
             weights 32 x 10 and bias 10 of the output layer (softmax). Inputs are pixels / 16.
"""
import pathlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

TRAINED_ON = 1200
here = pathlib.Path(__file__).parent
pixels, labels = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(pixels))
pixels, labels = pixels[order], labels[order]
network = MLPClassifier(hidden_layer_sizes=(32,), alpha=0.1, max_iter=300, random_state=0)
network.fit(pixels[:TRAINED_ON] / 16, labels[:TRAINED_ON])
print("held out:", network.score(pixels[TRAINED_ON:] / 16, labels[TRAINED_ON:]))
(here / "digits.bin").write_bytes(np.c_[pixels, labels].astype(np.uint8).tobytes())
parts = [network.coefs_[0], network.intercepts_[0], network.coefs_[1], network.intercepts_[1]]
(here / "network.bin").write_bytes(b"".join(part.astype("<f4").tobytes() for part in parts))
