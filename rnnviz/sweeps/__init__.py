"""Many runs: rows handed to the cores of this machine or to a cluster, and a journal that outlives both."""
