"""The results of a run as records, which JSON, reports and tables show; it needs no window."""
