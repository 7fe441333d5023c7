"""Which loops of a training step do we compile ourselves, because they are faster on a CPU than torch's?
They stand in the place of layers, with the same weights under the same names."""
