"""Many runs: rows computed by the cores of this machine or by a cluster, and a journal for resuming."""
