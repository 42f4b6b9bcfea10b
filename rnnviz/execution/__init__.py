"""One request in, typed events and one result out: the child process that computes, and its supervision."""
