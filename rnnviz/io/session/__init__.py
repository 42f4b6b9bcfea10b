"""Sessions: a config, where it is looked at, and the files that it names or copies of them, in one `.rnnviz` file."""
