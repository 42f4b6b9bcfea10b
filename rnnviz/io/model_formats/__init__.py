"""Recurrent layers in the files that other programs write.

Each format is a module with `open_model(path) -> ModelFile`, `open_tensors(path) -> TensorFile` for all arrays, also
those of no recurrent layer, and, if it is written, `write_weights(network, parameters, path)`.
"""
