"""A run as a Jupyter notebook that recomputes it: with Gluon's layer and with NumPy."""
