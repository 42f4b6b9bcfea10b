"""rnnviz: see every number of a recurrent network, and prove every number.

The Python face of the program::

    config = rnnviz.load_config("x.toml")
    run = rnnviz.run(config)
    run["gluon"].hidden  # (L, D, T, N, H), read-only
    run.comparison("manual").first_mismatch
    rnnviz.show(run)
"""

__version__ = "0.1.0"
