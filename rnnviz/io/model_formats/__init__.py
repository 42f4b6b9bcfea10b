"""Recurrent layers in the files that other programs write.

Each format is a module with `open_model(path) -> ModelFile` and `open_tensors(path) -> TensorFile` for all arrays, also
those of no recurrent layer. If it is written, the module has `write_weights(network, parameters, path)`, and if a file
is read with others, `files_beside(path)` with their names.
"""
