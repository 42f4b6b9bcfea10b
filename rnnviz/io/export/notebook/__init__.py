"""A run as a Jupyter notebook that recomputes it: by Gluon's layer, and by hand."""
