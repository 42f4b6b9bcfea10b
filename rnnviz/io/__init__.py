"""What comes in and goes out: configs, arrays, tables, summaries."""
