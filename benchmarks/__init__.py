"""Speed and memory, measured: `make bench`. Nothing here is a test, and no test is timed."""
