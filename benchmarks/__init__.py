"""How fast the project is, measured: `make bench`. Nothing here is a test, and no test is timed."""
